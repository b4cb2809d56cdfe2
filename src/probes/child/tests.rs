//! The parent half and the child half together. The child is this test program, started again as the real program would be:
//! real processes, real signals, real limits; only the probes are stand-ins.

use std::ffi::OsStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::*;
use crate::host::{Host, LiveHost, RecordedHost, forward};
use crate::output;

/// Names the probe for [`child_entry`].
const PROBE: &str = "CASA_DOCTOR_TEST_PROBE";
/// Its arguments, a line each.
const ARGUMENTS: &str = "CASA_DOCTOR_TEST_ARGUMENTS";

/// This machine, on which our own program is the one with the tests in it.
#[derive(Default)]
pub(crate) struct SelfHost {
    /// Variables for the children.
    pub(crate) env: Vec<(OsString, OsString)>,
}

impl SelfHost {
    /// A context with this machine and a limit.
    pub(crate) fn context(self, limit: Duration) -> Context {
        Context { host: Arc::new(self), limit }
    }
}

impl Host for SelfHost {
    fn run(&self, command: &Command) -> CommandOutput {
        let [subcommand, probe, rest @ ..] = command.args.as_slice() else { panic!("{command:?}") };
        assert_eq!(subcommand, SUBCOMMAND);
        let arguments = ["--exact", "probes::child::tests::child_entry", "--ignored", "--nocapture", "--test-threads=1"];
        let mut rewritten = Command { args: arguments.map(OsString::from).to_vec(), ..command.clone() };
        rewritten.env.push((PROBE.into(), Some(probe.clone())));
        rewritten.env.push((ARGUMENTS.into(), Some(rest.join(OsStr::new("\n")))));
        rewritten.env.extend(self.env.iter().map(|(name, value)| (name.clone(), Some(value.clone()))));
        LiveHost.run(&rewritten)
    }

    forward!(|_host| &LiveHost => env, env_names, identity, current_dir, read, open, metadata, symlink_metadata, read_link, canonicalize, read_dir, access, free_space, which, lookup, connect, now, own_program);
}

#[test]
#[ignore = "what the children of the other tests run; alone it does nothing"]
fn child_entry() {
    if let Some(probe) = LiveHost.env_text(PROBE) {
        let arguments: Vec<_> = LiveHost.env_text(ARGUMENTS).iter().flat_map(|text| text.lines()).map(OsString::from).collect();
        let status = main(&probe, &arguments);
        panic!("the probe {probe} came back with {status:?}");
    }
}

type Told = serde_json::Result<Value>;

pub(super) fn abort(trail: &'static Trail, _: &[OsString]) -> Told {
    trail.at("dangerousCall");
    output::notice("\x1b[31mthe driver's last words\x1b[0m");
    std::process::abort();
}

/// A probe whose driver prints on every descriptor that it knows, something that looks like an answer, too.
pub(super) fn chatter(trail: &'static Trail, _: &[OsString]) -> Told {
    trail.at("chattyCall");
    drop(output::document("{\"result\":\"spoiled\"}\n"));
    output::notice("noise");
    Ok(json!({ "answer": 42 }))
}

/// A probe whose process takes long to end, as one does that a driver filled.
pub(super) fn lingers(trail: &'static Trail, _: &[OsString]) -> Told {
    output::notice("said before");
    trail.result(&json!({ "answer": 42 }));
    std::thread::sleep(Duration::from_secs(60));
    Ok(Value::Null)
}

pub(super) fn flood(trail: &'static Trail, _: &[OsString]) -> Told {
    trail.at("floodingCall");
    loop {
        output::notice("the same line again and again");
    }
}

pub(super) fn silent(_: &'static Trail, _: &[OsString]) -> Told {
    Ok(Value::Null)
}

pub(super) fn sleep(trail: &'static Trail, _: &[OsString]) -> Told {
    trail.at("endlessCall");
    loop {
        std::thread::park();
    }
}

fn run_stand_in(probe: &str, limit: Duration) -> ChildRun<Value> {
    run(&SelfHost::default().context(limit), probe, &[], &[])
}

const ENOUGH: Duration = Duration::from_secs(30);

#[test]
fn a_chatty_child_tells_its_result_unspoiled() {
    let child = run_stand_in("test-chatter", ENOUGH);
    assert_eq!(child.end, ChildEnd::Finished);
    assert_eq!(child.result, Some(json!({ "answer": 42 })));
    assert_eq!(child.last_call.as_deref(), Some("chattyCall"));
    assert_eq!(child.stderr, [r#"{"result":"spoiled"}"#, "casa-doctor: noise"]);
}

#[test]
fn a_child_that_aborts_is_told_with_signal_call_and_last_words() {
    let child = run_stand_in("test-abort", ENOUGH);
    assert_eq!(child.end, ChildEnd::Signal { number: 6, name: "SIGABRT".into() });
    assert_eq!(child.last_call.as_deref(), Some("dangerousCall"));
    assert_eq!(child.stderr, ["casa-doctor: the driver's last words"]);
    assert_eq!(child.result, None);
}

#[test]
fn a_child_that_hangs_is_killed_at_its_limit() {
    let started = Instant::now();
    let child = run_stand_in("test-sleep", Duration::from_millis(700));
    assert_eq!(child.end, ChildEnd::TimedOut { limit_ms: 700 });
    assert_eq!(child.last_call.as_deref(), Some("endlessCall"));
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

#[test]
fn a_child_that_floods_is_bounded_and_killed_at_its_limit() {
    let child = run_stand_in("test-flood", Duration::from_millis(700));
    assert_eq!(child.end, ChildEnd::TimedOut { limit_ms: 700 });
    assert_eq!(child.last_call.as_deref(), Some("floodingCall"));
    assert_eq!(child.stderr.len(), 41);
}

#[test]
fn a_child_without_a_result_exited() {
    assert_eq!(run_stand_in("test-silent", ENOUGH).end, ChildEnd::Exited { status: 0 });
}

#[test]
fn a_program_that_is_not_there_was_not_started() {
    // The recorded machine knows no command, so it starts none.
    let context = Context { host: Arc::new(RecordedHost::new()), limit: ENOUGH };
    let child: ChildRun<Value> = run(&context, "glx", &[], &[]);
    assert!(matches!(child.end, ChildEnd::NotStarted { .. }), "{child:?}");
}

/// What the parent makes of these bytes.
fn read_answer(stdout: &[u8], end: CommandEnd) -> ChildRun<Vec<u32>> {
    let context = Context { host: Arc::new(RecordedHost::new()), limit: ENOUGH };
    let output = CommandOutput { end, stdout: stdout.to_vec(), stderr: Vec::new(), duration: Duration::from_millis(3) };
    read(&output, &context)
}

#[test]
fn garbage_around_the_records_is_passed_over() {
    let answer = b"\xff\xfe\n[]\nnull\n\n{\"at\":7}\n{\"at\":\"one\"}\nplain text\n{\"result\":\"no list\"}\n{\"result\":[1,2]}\n{\"at\":\"two\"}\n";
    let child = read_answer(answer, CommandEnd::Exited(0));
    assert_eq!((child.end, child.result, child.last_call.as_deref()), (ChildEnd::Finished, Some(vec![1, 2]), Some("one")));
}

#[test]
fn the_first_result_counts_and_half_of_one_does_not() {
    assert_eq!(read_answer(b"{\"result\":[1]}\n{\"result\":[2]}\n", CommandEnd::Exited(0)).result, Some(vec![1]));
    let cut = read_answer(b"{\"at\":\"glFinish\"}\n{\"result\":[1,", CommandEnd::Signal(11));
    assert_eq!((cut.result, cut.last_call.as_deref()), (None, Some("glFinish")));
    assert_eq!(cut.end, ChildEnd::Signal { number: 11, name: "SIGSEGV".into() });
    assert_eq!(read_answer(b"{\"result\":null}\n", CommandEnd::Exited(3)).end, ChildEnd::Exited { status: 3 });
}

#[test]
fn a_child_that_dies_after_its_whole_result_has_finished() {
    assert_eq!(read_answer(b"{\"result\":[]}\n", CommandEnd::Signal(11)).end, ChildEnd::Finished);
}

#[test]
fn a_child_whose_result_is_there_is_not_waited_for() {
    let started = Instant::now();
    let run = run::<Value>(&SelfHost::default().context(Duration::from_secs(30)), "test-lingers", &[], &[]);
    assert_eq!((run.end, run.result), (ChildEnd::Finished, Some(json!({ "answer": 42 }))));
    assert!(run.stderr.iter().any(|line| line.ends_with("said before")), "{:?}", run.stderr);
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}
