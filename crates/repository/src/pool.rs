//! A small pool of threads for hashing, compressing and encrypting, so that async threads never compute for long.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::error::RepositoryError;

/// Threads that compute for repositories. Several repositories may share one pool; the threads end with the last handle.
///
/// The queue has no limit of its own: those who submit limit what is in flight.
#[derive(Clone)]
pub struct CpuPool {
    handle: Arc<PoolHandle>,
}

struct PoolHandle {
    queue: Arc<Queue>,
    threads: usize,
}

#[derive(Default)]
struct Queue {
    state: Mutex<QueueState>,
    changed: Condvar,
}

#[derive(Default)]
struct QueueState {
    jobs: VecDeque<Job>,
    is_closed: bool,
}

type Job = Box<dyn FnOnce() + Send>;

/// Locks even after a panic elsewhere: what we protect is consistent between statements.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl CpuPool {
    /// A pool with this many threads, at least one.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        let threads = threads.max(1);
        let queue = Arc::new(Queue::default());
        for number in 0..threads {
            let queue = queue.clone();
            std::thread::Builder::new()
                .name(format!("repository-{number}"))
                .spawn(move || queue.work())
                .expect("a thread can be started when a repository is opened");
        }
        Self { handle: Arc::new(PoolHandle { queue, threads }) }
    }

    /// How many threads compute.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.handle.threads
    }

    /// Queues `compute` at once; the future yields its result.
    pub(crate) fn run<T, F>(
        &self,
        compute: F,
    ) -> impl Future<Output = Result<T, RepositoryError>> + Send + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let job: Job = Box::new(move || {
            // Whoever waits may have gone: then the result is of no use.
            let _ = sender.send(compute());
        });
        lock(&self.handle.queue.state).jobs.push_back(job);
        self.handle.queue.changed.notify_one();
        async move { receiver.await.map_err(|_| RepositoryError::ComputationEnded) }
    }
}

impl Drop for PoolHandle {
    fn drop(&mut self) {
        lock(&self.queue.state).is_closed = true;
        self.queue.changed.notify_all();
    }
}

impl Queue {
    fn work(&self) {
        loop {
            let job = {
                let mut state = lock(&self.state);
                loop {
                    if let Some(job) = state.jobs.pop_front() {
                        break job;
                    }
                    if state.is_closed {
                        return;
                    }
                    state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
            };
            // A panic drops the sender, which the waiting side sees; the thread goes on for others.
            let _ = std::panic::catch_unwind(AssertUnwindSafe(job));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn results_come_back_and_a_panic_ends_only_its_job() {
        let pool = CpuPool::new(1);
        let panicking = pool.run(|| -> u8 { panic!("on purpose") });
        let working = pool.run(|| 7);
        assert!(matches!(panicking.await, Err(RepositoryError::ComputationEnded)));
        assert_eq!(working.await.unwrap(), 7);
    }
}
