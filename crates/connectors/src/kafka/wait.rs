//! Waiting for the few calls of the client crate that are futures, from code that has threads.

/// Runs a future to its end, also where the caller is on a runtime's own thread.
pub(super) fn wait<F>(future: F) -> F::Output
where
    F: Future + Send,
    F::Output: Send,
{
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build()
                .expect("a runtime without I/O needs nothing of the system")
                .block_on(future)
        });
        match waiting.join() {
            Ok(output) => output,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
