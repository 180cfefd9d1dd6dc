// SPDX-License-Identifier: MIT
// crossbeam's queues and its deque, of words. The loops are C's: each operation is a call.
use crossbeam_deque::{Steal, Worker};
use crossbeam_queue::{ArrayQueue, SegQueue};

#[no_mangle]
pub extern "C" fn peer_array_queue_open(capacity: usize) -> *mut ArrayQueue<u64> {
    Box::into_raw(Box::new(ArrayQueue::new(capacity)))
}

#[no_mangle]
pub unsafe extern "C" fn peer_array_queue_close(queue: *mut ArrayQueue<u64>) {
    drop(Box::from_raw(queue));
}

#[no_mangle]
pub unsafe extern "C" fn peer_array_queue_push(queue: &ArrayQueue<u64>, word: u64) -> bool {
    queue.push(word).is_ok()
}

#[no_mangle]
pub unsafe extern "C" fn peer_array_queue_pop(queue: &ArrayQueue<u64>, word: *mut u64) -> bool {
    match queue.pop() {
        Some(value) => {
            *word = value;
            true
        }
        None => false,
    }
}

#[no_mangle]
pub extern "C" fn peer_seg_queue_open() -> *mut SegQueue<u64> {
    Box::into_raw(Box::new(SegQueue::new()))
}

#[no_mangle]
pub unsafe extern "C" fn peer_seg_queue_close(queue: *mut SegQueue<u64>) {
    drop(Box::from_raw(queue));
}

#[no_mangle]
pub unsafe extern "C" fn peer_seg_queue_push(queue: &SegQueue<u64>, word: u64) -> bool {
    queue.push(word);
    true
}

#[no_mangle]
pub unsafe extern "C" fn peer_seg_queue_pop(queue: &SegQueue<u64>, word: *mut u64) -> bool {
    match queue.pop() {
        Some(value) => {
            *word = value;
            true
        }
        None => false,
    }
}

#[no_mangle]
pub extern "C" fn peer_deque_open() -> *mut Worker<usize> {
    Box::into_raw(Box::new(Worker::new_lifo()))
}

#[no_mangle]
pub unsafe extern "C" fn peer_deque_close(deque: *mut Worker<usize>) {
    drop(Box::from_raw(deque));
}

#[no_mangle]
pub unsafe extern "C" fn peer_deque_push(deque: &Worker<usize>, pointer: usize) {
    deque.push(pointer);
}

#[no_mangle]
pub unsafe extern "C" fn peer_deque_pop(deque: &Worker<usize>, pointer: *mut usize) -> bool {
    match deque.pop() {
        Some(value) => {
            *pointer = value;
            true
        }
        None => false,
    }
}

#[no_mangle]
pub extern "C" fn peer_deque_stealer(deque: &Worker<usize>) -> *mut crossbeam_deque::Stealer<usize> {
    Box::into_raw(Box::new(deque.stealer()))
}

#[no_mangle]
pub unsafe extern "C" fn peer_deque_stealer_close(stealer: *mut crossbeam_deque::Stealer<usize>) {
    drop(Box::from_raw(stealer));
}

#[no_mangle]
pub unsafe extern "C" fn peer_deque_steal(stealer: &crossbeam_deque::Stealer<usize>, pointer: *mut usize) -> bool {
    match stealer.steal() {
        Steal::Success(value) => {
            *pointer = value;
            true
        }
        _ => false,
    }
}
