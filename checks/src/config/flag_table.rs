//! The options of `apptainer run` and `singularity run`.
//!
//! Taken from `cmd/internal/cli/action_flags.go` of Apptainer 1.0 to 1.5 and of Singularity(CE) 3.5 to 4.5. An option is
//! listed when any of these versions has it: whether the installed one is new enough is for the engine to say.

use crate::facts::EngineKind;

/// Whether this version is one of those that the table is taken from, so that it has no other options.
pub(super) fn covers(engine: EngineKind, version: (u32, u32)) -> bool {
    match engine {
        EngineKind::Apptainer => ((1, 0)..=(1, 5)).contains(&version),
        EngineKind::Singularity => ((3, 5)..=(4, 5)).contains(&version),
        _ => false,
    }
}

/// An option of `run`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Flag {
    /// Its long name, without dashes.
    pub(super) name: &'static str,
    /// Its letter.
    pub(super) letter: Option<char>,
    /// Whether it needs a value.
    pub(super) takes_value: bool,
    /// The engines that have it.
    pub(super) engines: Engines,
}

/// Which engines have an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Engines {
    /// Both.
    Both,
    /// Apptainer alone.
    Apptainer,
    /// Singularity or SingularityCE alone.
    Singularity,
}

const fn switch(name: &'static str) -> Flag {
    Flag { name, letter: None, takes_value: false, engines: Engines::Both }
}

const fn value(name: &'static str) -> Flag {
    Flag { name, letter: None, takes_value: true, engines: Engines::Both }
}

impl Flag {
    const fn letter(self, letter: char) -> Self {
        Self { letter: Some(letter), ..self }
    }

    const fn only(self, engines: Engines) -> Self {
        Self { engines, ..self }
    }
}

/// Every option of `run`.
pub(super) static FLAGS: &[Flag] = &[
    switch("help").letter('h'),
    value("add-caps"),
    switch("allow-setuid"),
    value("app"),
    value("apply-cgroups"),
    value("authfile"),
    value("bind").letter('B'),
    value("blkio-weight"),
    value("blkio-weight-device"),
    value("cdi-dirs"),
    switch("cleanenv").letter('e'),
    switch("compat"),
    switch("compat32").only(Engines::Apptainer),
    switch("contain").letter('c'),
    switch("containall").letter('C'),
    value("containlibs"),
    value("cpu-shares"),
    value("cpus"),
    value("cpuset-cpus"),
    value("cpuset-mems"),
    value("cwd"),
    value("data").only(Engines::Singularity),
    value("device"),
    switch("disable-cache"),
    value("dmtcp-launch").only(Engines::Apptainer),
    value("dmtcp-restart").only(Engines::Apptainer),
    value("dns"),
    value("docker-host"),
    switch("docker-login"),
    value("docker-password"),
    value("docker-username"),
    value("drop-caps"),
    value("env"),
    value("env-file"),
    switch("fakeroot").letter('f'),
    value("fusemount"),
    value("home").letter('H'),
    value("hostname"),
    switch("ignore-fakeroot-command").only(Engines::Apptainer),
    switch("ignore-subuid").only(Engines::Apptainer),
    switch("ignore-userns").only(Engines::Apptainer),
    switch("intel-hpu").only(Engines::Apptainer),
    switch("ipc").letter('i'),
    switch("keep-layers").only(Engines::Singularity),
    switch("keep-privs"),
    value("memory"),
    value("memory-reservation"),
    value("memory-swap"),
    value("mount"),
    switch("net").letter('n'),
    value("netns-path"),
    value("network"),
    value("network-args"),
    switch("no-compat").only(Engines::Singularity),
    value("no-env").only(Engines::Apptainer),
    switch("no-eval"),
    switch("no-home"),
    switch("no-https"),
    switch("no-init"),
    value("no-mount"),
    switch("no-nv"),
    switch("no-oci").only(Engines::Singularity),
    switch("no-pid"),
    switch("no-privs"),
    switch("no-rocm"),
    switch("no-setgroups").only(Engines::Singularity),
    switch("no-umask"),
    switch("nohttps"),
    switch("nonet").only(Engines::Singularity),
    switch("nv"),
    switch("nvccli"),
    switch("oci").only(Engines::Singularity),
    switch("oom-kill-disable"),
    value("overlay").letter('o'),
    switch("passphrase"),
    value("pem-path"),
    switch("pid").letter('p'),
    value("pids-limit"),
    value("proot").only(Engines::Singularity),
    value("pwd"),
    switch("rocm"),
    value("runscript-timeout").only(Engines::Apptainer),
    value("scratch").letter('S'),
    value("security"),
    switch("sharens").only(Engines::Apptainer),
    switch("sif-fuse").only(Engines::Singularity),
    switch("syos"),
    value("tmpdir"),
    switch("underlay").only(Engines::Apptainer),
    switch("unsquash").only(Engines::Apptainer),
    switch("userns").letter('u'),
    switch("uts"),
    switch("vm"),
    value("vm-cpu"),
    switch("vm-err"),
    value("vm-ip"),
    value("vm-ram"),
    value("workdir").letter('W'),
    switch("writable").letter('w'),
    switch("writable-tmpfs"),
];

/// Options that the engines take before `run` only, where casa_distro cannot put them.
pub(super) const BEFORE_RUN: [&str; 7] = ["build-config", "config", "debug", "nocolor", "quiet", "silent", "verbose"];

/// Options of `docker run` that no other engine has.
pub(super) const OF_DOCKER: [&str; 17] = [
    "cap-add",
    "cap-drop",
    "detach",
    "entrypoint",
    "expose",
    "gpus",
    "interactive",
    "link",
    "privileged",
    "publish",
    "restart",
    "rm",
    "runtime",
    "shm-size",
    "tty",
    "ulimit",
    "volume",
];

/// The option of this long name.
pub(super) fn by_name(name: &str) -> Option<&'static Flag> {
    FLAGS.iter().find(|flag| flag.name == name)
}

/// The option of this letter.
pub(super) fn by_letter(letter: char) -> Option<&'static Flag> {
    FLAGS.iter().find(|flag| flag.letter == Some(letter))
}

/// The option that is probably meant by a name that no engine knows: one that differs in one letter, or in two when it is
/// long.
pub(super) fn nearest(name: &str) -> Option<&'static Flag> {
    let allowed = if name.chars().count() > 6 { 2 } else { 1 };
    let distances = FLAGS.iter().map(|flag| (distance(name, flag.name), flag));
    distances.filter(|(distance, _)| *distance <= allowed).min_by_key(|(distance, _)| *distance).map(|(_, flag)| flag)
}

/// Levenshtein's distance.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, letter) in one.chars().take(64).enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], index + 1);
        for (column, &wanted) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != wanted);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_and_letters_are_unique() {
        let names: BTreeSet<_> = FLAGS.iter().map(|flag| flag.name).collect();
        let letters: Vec<_> = FLAGS.iter().filter_map(|flag| flag.letter).collect();
        assert_eq!(names.len(), FLAGS.len());
        assert_eq!(letters.iter().collect::<BTreeSet<_>>().len(), letters.len());
        assert!(BEFORE_RUN.iter().chain(&OF_DOCKER).all(|name| by_name(name).is_none()));
    }

    #[test]
    fn a_slip_of_the_pen_is_recognised() {
        for (slip, meant) in
            [("writeable-tmpfs", "writable-tmpfs"), ("bnd", "bind"), ("no-hom", "no-home"), ("contanall", "containall")]
        {
            assert_eq!(nearest(slip).unwrap().name, meant);
        }
        assert_eq!(nearest("softgl"), None);
        assert_eq!(nearest("completely-else"), None);
    }
}
