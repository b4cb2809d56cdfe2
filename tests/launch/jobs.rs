//! The terminal and its job control: the same as without a container.

use std::time::Duration;

use serde_json::json;

use crate::support::{environment, patient, private_directories};
use crate::terminal::Terminal;

/// A terminal in which `$R COMMAND` starts a command in the container.
fn terminal(patient: &crate::lab::Patient) -> Terminal {
    let environment = environment(patient, &json!({}));
    let mut terminal = Terminal::open(patient);
    terminal.keys(&format!("R='{} run {environment} --no-gui --opengl container --'\n", crate::lab::lab().program().display()));
    terminal.keys("echo re''ady\n");
    terminal.wait_for("ready\r\n");
    terminal
}

/// Prints a tick five times a second.
const TICKS: &str = "sh -c 'while :; do echo t''ick; sleep 0.2; done'";

#[test]
fn ctrl_c_reaches_the_program_once_and_its_status_is_the_shells() {
    let patient = patient();
    let mut terminal = terminal(&patient);
    terminal.keys("$R sh -c 'trap \"echo g\"\"ot; n=x\\$n\" INT; echo g''o; while test \"$n\" = \"\"; do sleep 0.1; done; sleep 0.5; exit 5'; echo st''atus=$?\n");
    terminal.wait_for("go\r\n");
    terminal.keys("\x03");
    terminal.wait_for("got\r\n");
    terminal.wait_for("status=5");
    let text = terminal.text();
    assert_eq!(text.matches("got\r").count(), 1, "{text}");
    terminal.keys("$R sleep 30; echo st''atus=$?\n");
    std::thread::sleep(Duration::from_millis(1500));
    terminal.keys("\x03");
    terminal.wait_for("status=130");
    assert!(private_directories(&patient).is_empty());
}

#[test]
fn ctrl_z_stops_and_fg_and_bg_continue() {
    let patient = patient();
    let mut terminal = terminal(&patient);
    terminal.keys(&format!("$R {TICKS}; echo st''atus=$?\n"));
    terminal.wait_for("tick");
    terminal.keys("\x1a");
    terminal.wait_for("Stopped");
    assert_eq!(terminal.count_within("tick", Duration::from_secs(1)), 0);
    terminal.keys("bg >/dev/null\n");
    terminal.wait_for("tick");
    terminal.keys("fg >/dev/null\n");
    terminal.wait_for("tick");
    assert!(terminal.count_within("tick", Duration::from_secs(2)) > 2, "{}", terminal.text());
    terminal.keys("\x03");
    terminal.wait_for("$ ");
    assert!(private_directories(&patient).is_empty());
}

#[test]
fn a_stop_that_is_sent_to_us_alone_stops_the_program_too() {
    let patient = patient();
    let mut terminal = terminal(&patient);
    terminal.keys(&format!("$R {TICKS} & P=$!\n"));
    terminal.wait_for("tick");
    terminal.keys("kill -TSTP $P\n");
    std::thread::sleep(Duration::from_millis(500));
    // The shell tells it before the next prompt.
    terminal.keys("\n");
    terminal.wait_for("Stopped");
    assert_eq!(terminal.count_within("tick", Duration::from_secs(1)), 0);
    terminal.keys("kill -CONT $P\n");
    terminal.wait_for("tick");
    // As long as the shell takes us for stopped its `wait` comes back at once.
    terminal.keys("until jobs | grep -q Running; do sleep 0.1; done; kill $P; wait $P; echo st''atus=$?\n");
    terminal.wait_for("status=143");
    assert!(private_directories(&patient).is_empty());
}

#[test]
fn a_program_in_the_background_that_reads_is_stopped_until_it_comes_forward() {
    let patient = patient();
    let mut terminal = terminal(&patient);
    terminal.keys("$R cat & sleep 1.5; jobs\n");
    terminal.wait_for("Stopped");
    terminal.keys("fg >/dev/null; echo st''atus=$?\n");
    std::thread::sleep(Duration::from_millis(300));
    terminal.keys("he''llo\n");
    terminal.wait_for("he''llo\r\nhe''llo");
    terminal.keys("\x04");
    terminal.wait_for("status=0");
}

#[test]
fn a_new_size_of_the_window_is_told_at_once() {
    let patient = patient();
    let mut terminal = terminal(&patient);
    terminal.resize(24, 80);
    terminal.keys("$R bash -c 'trap \"stty size\" WINCH; echo g''o; while sleep 0.1; do :; done'\n");
    terminal.wait_for("go\r\n");
    terminal.resize(33, 101);
    terminal.wait_for("33 101");
    // bash does not end by what comes while its trap runs.
    std::thread::sleep(Duration::from_millis(500));
    terminal.keys("\x03");
    terminal.wait_for("$ ");
}

#[test]
fn without_a_command_there_is_a_shell_of_the_container() {
    let patient = patient();
    let mut terminal = terminal(&patient);
    terminal.keys("${R% --}; echo st''atus=$?\n");
    terminal.wait_for("brainvisa-5.3:");
    terminal.keys("echo in $CASA_ENVIRONMENT; exit 7\n");
    terminal.wait_for("in brainvisa-5.3");
    terminal.wait_for("status=7");
}

#[test]
fn a_terminal_that_goes_away_ends_the_program() {
    let patient = patient();
    let mut terminal = terminal(&patient);
    let told = patient.home().join("told");
    std::fs::create_dir_all(&told).unwrap();
    crate::lab::lab().give(&told);
    terminal.keys(&format!(
        "$R sh -c 'trap \"echo hup >>/host{0}/file; exit\" HUP; echo g''o; while :; do sleep 0.1; done'\n",
        told.display()
    ));
    terminal.wait_for("go\r\n");
    drop(terminal);
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while !private_directories(&patient).is_empty() {
        assert!(std::time::Instant::now() < deadline, "the private files are still there");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(told.join("file").exists());
}
