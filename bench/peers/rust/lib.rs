// SPDX-License-Identifier: MIT
// One library of all Rust peers: two of them in one program would bring Rust's own library twice.
mod epoch;
mod queues;
mod tasks;
