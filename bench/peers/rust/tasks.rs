// SPDX-License-Identifier: MIT
// tokio's multi-threaded scheduler, the shapes of bench/rt/task. Each call runs one of them to its end on the workers.
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{oneshot, Notify};
use tokio::task::{yield_now, JoinHandle};

pub struct Peer {
    runtime: Runtime,
    over: Arc<AtomicBool>,
    asleep: Arc<Notify>,
    answering: Option<JoinHandle<()>>,
    spawned: u64,
}

#[no_mangle]
pub extern "C" fn peer_tokio_open(workers: usize) -> *mut Peer {
    let runtime = match Builder::new_multi_thread().worker_threads(workers).build() {
        Ok(runtime) => runtime,
        Err(_) => return std::ptr::null_mut(),
    };
    RAN.store(0, Ordering::Relaxed);
    Box::into_raw(Box::new(Peer {
        runtime,
        over: Arc::new(AtomicBool::new(false)),
        asleep: Arc::new(Notify::new()),
        answering: None,
        spawned: 0,
    }))
}

#[no_mangle]
pub unsafe extern "C" fn peer_tokio_close(peer: *mut Peer) {
    let mut peer = Box::from_raw(peer);

    peer.over.store(true, Ordering::Release);
    peer.asleep.notify_one();
    if let Some(answering) = peer.answering.take() {
        let _ = peer.runtime.block_on(answering);
    }
}

fn run<F>(peer: &Peer, shape: F)
where
    F: Future<Output = ()> + Send + 'static,
{
    if peer.runtime.block_on(peer.runtime.spawn(shape)).is_err() {
        std::process::abort();
    }
}

// Empty tasks, spawned by a task in batches of 64.
#[no_mangle]
pub extern "C" fn peer_tokio_spawn(peer: &Peer, n: u64) {
    run(peer, async move {
        let mut left = n;

        while left > 0 {
            for _ in 0..left.min(64) {
                drop(tokio::spawn(async {}));
                left -= 1;
            }
            yield_now().await;
        }
    });
}

fn link(left: u64, end: oneshot::Sender<()>) {
    if left == 0 {
        let _ = end.send(());
    } else {
        drop(tokio::spawn(async move { link(left - 1, end) }));
    }
}

// Each task spawns the next.
#[no_mangle]
pub extern "C" fn peer_tokio_chain(peer: &Peer, n: u64) {
    run(peer, async move {
        let (end, ended) = oneshot::channel();

        link(n, end);
        let _ = ended.await;
    });
}

// Two tasks that wake each other; there and back.
#[no_mangle]
pub extern "C" fn peer_tokio_ping_pong(peer: &Peer, n: u64) {
    run(peer, async move {
        let (there, back) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (hear, answer) = (there.clone(), back.clone());
        let other = tokio::spawn(async move {
            for _ in 0..n {
                hear.notified().await;
                answer.notify_one();
            }
        });

        for _ in 0..n {
            there.notify_one();
            back.notified().await;
        }
        let _ = other.await;
    });
}

// 200 tasks that let each other go first.
#[no_mangle]
pub extern "C" fn peer_tokio_yield(peer: &Peer, n: u64) {
    const TASKS: u64 = 200;

    run(peer, async move {
        let mut tasks = Vec::new();

        for i in 0..TASKS {
            let each = n / TASKS + u64::from(i < n % TASKS);

            tasks.push(tokio::spawn(async move {
                for _ in 0..each {
                    yield_now().await;
                }
            }));
        }
        for task in tasks {
            let _ = task.await;
        }
    });
}

// A task that keeps its worker awake until the runtime is closed.
#[no_mangle]
pub extern "C" fn peer_tokio_stay_awake(peer: &mut Peer) {
    let over = peer.over.clone();

    peer.answering = Some(peer.runtime.spawn(async move {
        while !over.load(Ordering::Acquire) {
            yield_now().await;
        }
    }));
}

static RAN: AtomicU64 = AtomicU64::new(0); // of those that come from outside

// Tasks that are spawned from outside; some `most` of them wait at one time. Every 64th counts for all before it.
#[no_mangle]
pub extern "C" fn peer_tokio_push(peer: &mut Peer, n: u64, most: u64) {
    let handle: &Handle = peer.runtime.handle();

    for _ in 0..n {
        peer.spawned += 1;
        if peer.spawned % 64 != 0 {
            drop(handle.spawn(async {}));
            continue;
        }
        drop(handle.spawn(async {
            RAN.fetch_add(64, Ordering::Release);
        }));
        while peer.spawned.wrapping_sub(RAN.load(Ordering::Acquire)) >= most {
            std::thread::sleep(std::time::Duration::from_micros(1));
        }
    }
}

// A task that calls `answer` each time it is woken.
#[no_mangle]
pub extern "C" fn peer_tokio_answer(peer: &mut Peer, answer: extern "C" fn()) {
    let (asleep, over) = (peer.asleep.clone(), peer.over.clone());

    peer.answering = Some(peer.runtime.spawn(async move {
        loop {
            asleep.notified().await;
            if over.load(Ordering::Acquire) {
                return;
            }
            answer();
        }
    }));
}

#[no_mangle]
pub extern "C" fn peer_tokio_wake(peer: &Peer) {
    peer.asleep.notify_one();
}
