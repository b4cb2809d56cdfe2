//! Completions and the manual page, from the definition of the command line.

use std::io;

use clap::builder::PossibleValuesParser;
use clap::{Arg, Command};
use clap_complete::Shell;
use clap_mangen::Man;

use super::{CATEGORIES, Catalog};
use crate::report::ExitStatus;

/// The completion script for a shell. Ids of checks, findings and categories are completed, too.
pub(crate) fn completions(shell: Shell, command: &Command, catalog: &Catalog) -> Vec<u8> {
    let known = |arg: Arg| arg.value_parser(PossibleValuesParser::new(ids(catalog)));
    let mut command = command.clone().mut_arg("only", known).mut_arg("skip", known);
    command = command.mut_subcommand("explain", |explain| explain.mut_arg("id", known));
    let command = &mut command;
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, command, name, &mut script);
    if shell != Shell::Bash {
        return script;
    }
    // For a program with a hyphen in its name clap_complete 4.6 sets one name of a command and looks for another; and it offers
    // commands that are hidden.
    let text = String::from_utf8_lossy(&script);
    text.replace("casa__subcmd__doctor", "casa__doctor").replace(" __probe ", " ").into_bytes()
}

/// Every id that `--only`, `--skip` and `explain` take.
fn ids(catalog: &Catalog) -> Vec<&'static str> {
    let checks = catalog.checks().map(|check| check.id);
    let kinds = catalog.kinds().into_iter().map(|(kind, _)| kind.id);
    let mut ids: Vec<_> = checks.chain(kinds).chain(CATEGORIES.iter().map(|category| category.word())).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// The manual page, in roff: the program, then each command with its options, then the exit statuses. It is one page, so that
/// `casa-doctor man | man -l -` shows all there is. Text that `--help` prints after the options is left out: it is for a terminal.
///
/// # Errors
///
/// None in practice: it is written to memory.
pub(crate) fn man(command: &Command) -> io::Result<Vec<u8>> {
    let mut command = command.clone().disable_help_subcommand(true);
    command.build();
    let mut page = Vec::new();
    let man = Man::new(command.clone());
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    for subcommand in command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()) {
        page.extend(subcommand_section(subcommand)?);
    }
    page.extend(exit_status_section().into_bytes());
    man.render_version_section(&mut page)?;
    Ok(page)
}

/// A command as a section, with its own sections one level below. Options that every command has are told once, at the top.
fn subcommand_section(subcommand: &Command) -> io::Result<Vec<u8>> {
    let man = Man::new(subcommand.clone().mut_args(|arg| if arg.is_global_set() { arg.hide(true) } else { arg }));
    let mut inner = Vec::new();
    man.render_synopsis_section(&mut inner)?;
    man.render_description_section(&mut inner)?;
    man.render_options_section(&mut inner)?;
    let inner = String::from_utf8_lossy(&inner).replace("\n.SH ", "\n.SS ");
    let inner = inner.strip_prefix(".SH ").map_or(inner.clone(), |rest| format!(".SS {rest}"));
    let title = subcommand.get_bin_name().unwrap_or(subcommand.get_name()).to_uppercase();
    // The preamble that every rendering begins with is harmless when repeated.
    Ok(format!(".SH \"{title}\"\n{inner}").into_bytes())
}

fn exit_status_section() -> String {
    let mut section = ".SH \"EXIT STATUS\"\n".to_owned();
    for (status, meaning) in ExitStatus::TABLE {
        section.push_str(&format!(".TP\n\\fB{status}\\fR\n{}\n", meaning.replace('-', "\\-")));
    }
    section
}

#[cfg(test)]
mod tests {
    use clap::ArgAction;

    use super::*;

    /// A made-up command line of the same shape as the real one.
    fn command() -> Command {
        Command::new("casa-doctor")
            .version("0.1.0")
            .about("Finds out what is wrong")
            .arg(Arg::new("only").long("only").value_delimiter(',').help("Only these"))
            .arg(Arg::new("skip").long("skip").value_delimiter(',').help("Not these"))
            .subcommand(Command::new("explain").about("Explain an id").arg(Arg::new("id")))
            .arg(Arg::new("quiet").short('q').action(ArgAction::SetTrue).global(true).help("Say less"))
            .subcommand(
                Command::new("run").about("Launch a program").arg(Arg::new("no-gui").long("no-gui").action(ArgAction::SetTrue)),
            )
            .subcommand(Command::new("__probe").hide(true))
    }

    #[test]
    fn completions_know_the_commands_and_keep_the_hidden_ones() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::PowerShell] {
            let script = String::from_utf8(completions(shell, &command(), &Catalog::registered())).unwrap();
            assert!(script.contains("no-gui") && script.contains("casa-doctor"), "{shell}");
            assert!(shell == Shell::PowerShell || script.contains("x11-cookie-missing"), "{shell} completes no ids");
        }
    }

    #[test]
    fn one_page_holds_every_command_and_the_exit_statuses() {
        let page = String::from_utf8(man(&command()).unwrap()).unwrap();
        assert!(page.contains(".SH \"CASA\\-DOCTOR RUN\"") || page.contains(".SH \"CASA-DOCTOR RUN\""), "{page}");
        assert!(page.contains("no\\-gui") && page.contains(".SH \"EXIT STATUS\""), "{page}");
        assert_eq!(page.matches("Say less").count(), 1, "a global option is told once: {page}");
        assert!(!page.contains("__probe") && !page.contains("PROBE"), "{page}");
        assert_eq!(page.matches(".TH").count(), 1);
        insta::assert_snapshot!(page);
    }
}
