//! What becomes of a panic, which is a mistake of ours and never the user's.
//!
//! Nothing is unwound: the released program has no tables for it, which makes it smaller by an eighth. The panic hook does all that is
//! to be done, in the thread that panicked. A probe's thread tells that its probe crashed and stops for ever, so that the others go
//! on; anywhere else the private files of a launch are removed, and the program ends with the message and a status of its own.

use std::cell::RefCell;
use std::panic::PanicHookInfo;
use std::sync::Arc;
use std::thread;

/// Told what a panic said.
type Tell = Arc<dyn Fn(&str) + Send + Sync>;

thread_local! {
    static TELL: RefCell<Option<Tell>> = const { RefCell::new(None) };
}

/// Installs the hook. `end` is told of a panic in a thread that guards nothing, and must not come back: where nothing is unwound the
/// process would end with SIGABRT.
pub(crate) fn install(end: impl Fn(&PanicHookInfo<'_>) + Send + Sync + 'static) {
    std::panic::set_hook(Box::new(move |panic| {
        match TELL.try_with(RefCell::take) {
            Ok(Some(tell)) => tell(&in_words(panic)),
            _ => return end(panic),
        }
        loop {
            thread::park();
        }
    }));
}

/// Does the work. Should it panic, `tell` gets the reason and this thread goes no further.
pub(crate) fn guard<T>(tell: impl Fn(&str) + Send + Sync + 'static, work: impl FnOnce() -> T) -> T {
    TELL.set(Some(Arc::new(tell)));
    let done = work();
    TELL.take();
    done
}

/// For a thread that helps the current one: its panics are those of the current one.
pub(crate) fn shared<T>(work: impl FnOnce() -> T) -> impl FnOnce() -> T {
    let tell = TELL.with_borrow(Clone::clone);
    move || {
        TELL.set(tell);
        work()
    }
}

/// The message, and where it comes from.
pub(crate) fn in_words(panic: &PanicHookInfo<'_>) -> String {
    let message = panic.payload_as_str().unwrap_or("no message");
    match panic.location() {
        Some(place) => format!("{message} ({}:{})", place.file(), place.line()),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{self, RecvTimeoutError};
    use std::time::Duration;

    use super::*;
    use crate::host::{Command, CommandEnd, Host, LiveHost};

    /// Says that the test below runs as the child of the other one. A process in which a thread has stopped in the hook can never
    /// change its hook again, which the test harness does at its end.
    const CHILD: &str = "CASA_DOCTOR_TEST_CRASHES";

    #[test]
    fn a_guarded_thread_tells_and_stops_and_others_end_the_program() {
        let program = LiveHost.own_program().unwrap();
        let arguments = ["--exact", "crash::tests::a_process_with_mistakes", "--ignored", "--nocapture", "--test-threads=1"];
        let command = Command::new(&program, Duration::from_secs(20)).args(arguments).env(CHILD, std::ffi::OsStr::new("1"));
        let output = LiveHost.run(&command);
        assert_eq!(output.end, CommandEnd::Exited(7), "{}{}", output.stdout_text(), output.stderr_text());
        assert!(output.stderr_text().contains("casa-doctor: not guarded any more (src/crash.rs:"), "{}", output.stderr_text());
    }

    #[test]
    #[ignore = "what the other test runs; alone it does nothing"]
    #[expect(clippy::exit, clippy::disallowed_methods, reason = "as the program does")]
    fn a_process_with_mistakes() {
        if LiveHost.env(CHILD).is_none() {
            return;
        }
        install(|panic| {
            crate::output::notice(&in_words(panic));
            std::process::exit(7);
        });
        for helped in [false, true] {
            let (sender, told) = mpsc::channel();
            let (end, ended) = mpsc::channel::<()>();
            thread::spawn(move || {
                let tell = move |reason: &str| drop(sender.send(reason.to_owned()));
                guard(tell, || {
                    let help = shared(move || {
                        let _held = end;
                        assert!(!helped, "of the one that helps");
                    });
                    thread::scope(|scope| drop(scope.spawn(help)));
                    panic!("of the one that is guarded");
                });
            });
            let reason = told.recv_timeout(Duration::from_secs(5)).unwrap();
            let whose = if helped { "of the one that helps" } else { "of the one that is guarded" };
            assert!(reason.starts_with(whose) && reason.contains("src/crash.rs:"), "{reason}");
            // It was not unwound: what it holds is held for ever.
            let still = ended.recv_timeout(Duration::from_millis(50));
            assert_eq!(still == Err(RecvTimeoutError::Timeout), helped);
            assert_eq!(told.try_recv().ok(), None, "told once");
        }
        assert_eq!(guard(|_| unreachable!(), || 3), 3);
        panic!("not guarded any more");
    }
}
