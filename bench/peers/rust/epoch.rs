// SPDX-License-Identifier: MIT
// crossbeam-epoch, the loops of bench/reclaim. Memory comes from malloc, as everywhere there.
use crossbeam_epoch as epoch;
use std::ffi::c_void;
use std::sync::atomic::{compiler_fence, AtomicU64, Ordering};

extern "C" {
    fn malloc(size: usize) -> *mut c_void;
    fn free(object: *mut c_void);
}

const OBJECT: usize = 32;

static RECLAIMED: AtomicU64 = AtomicU64::new(0);

#[no_mangle]
pub extern "C" fn peer_crossbeam_pin(_thread: *mut c_void, n: u64) {
    for _ in 0..n {
        let guard = epoch::pin();
        compiler_fence(Ordering::SeqCst);
        drop(guard);
    }
}

#[no_mangle]
pub extern "C" fn peer_crossbeam_retire(_thread: *mut c_void, n: u64) {
    for _ in 0..n {
        let guard = epoch::pin();
        unsafe {
            let object = malloc(OBJECT);
            guard.defer_unchecked(move || free(object));
        }
    }
}

#[no_mangle]
pub extern "C" fn peer_crossbeam_leave(_thread: *mut c_void) {
    epoch::pin().flush();
}

// For bench-held: a reader that stays, and objects that are counted when they are reclaimed.
#[no_mangle]
pub extern "C" fn peer_crossbeam_hold() -> *mut c_void {
    Box::into_raw(Box::new(epoch::pin())) as *mut c_void
}

// By the thread that holds.
#[no_mangle]
pub extern "C" fn peer_crossbeam_let_go(held: *mut c_void) {
    drop(unsafe { Box::from_raw(held as *mut epoch::Guard) });
}

#[no_mangle]
pub extern "C" fn peer_crossbeam_retire_counted() {
    let guard = epoch::pin();
    unsafe {
        let object = malloc(OBJECT);
        guard.defer_unchecked(move || {
            free(object);
            RECLAIMED.fetch_add(1, Ordering::Relaxed);
        });
    }
}

#[no_mangle]
pub extern "C" fn peer_crossbeam_reclaimed() -> u64 {
    RECLAIMED.load(Ordering::Relaxed)
}
