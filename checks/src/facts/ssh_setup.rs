use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AgentState, Unknowns};

/// What is set up for ssh on the disk: keychain's files, the shell's start-up files, keys by name, the container's home.
///
/// Nothing of a key is ever stored but its file's name, its mode and whether it is encrypted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SshSetup {
    /// The user's home directory.
    #[serde(serialize_with = "super::lossy::option")]
    pub home: Option<PathBuf>,
    /// The name after which keychain calls its file: `HOSTNAME` where it is exported, else what `uname -n` prints.
    pub hostname: Option<String>,
    /// keychain's files for the shell in ~/.keychain, this machine's first.
    pub keychain_files: Vec<KeychainFile>,
    /// Name of the user's login shell, such as `bash`; `None` when neither `SHELL` nor the user database tells.
    pub login_shell: Option<String>,
    /// The start-up file in the home directory that a login shell reads first, and bash reads alone.
    pub login_file: Option<String>,
    /// The start-up files that exist, in the order of their names here: `.bash_profile`, `.bash_login`, `.profile`, `.bashrc`,
    /// `.zshenv`, `.zprofile`, `.zshrc`.
    pub startup_files: Vec<StartupFile>,
    /// Private keys in ~/.ssh.
    pub keys: Vec<KeyFile>,
    /// Whether ~/.ssh/known_hosts exists and is not empty.
    pub known_hosts: Option<bool>,
    /// `IdentityAgent` of ~/.ssh/config as it holds for every host, as written.
    pub identity_agent: Option<String>,
    /// The home directory of the container; `None` without an environment.
    pub container_home: Option<ContainerSsh>,
    /// Why a field above is `None`.
    pub unknown: Unknowns,
}

/// A file in which keychain remembers an agent (`~/.keychain/HOSTNAME-sh`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct KeychainFile {
    /// Where it is.
    #[serde(serialize_with = "super::lossy::path")]
    pub path: PathBuf,
    /// The name of the machine it was written on.
    pub hostname: String,
    /// Whether that is this machine's name now.
    pub current: bool,
    /// The socket that it names.
    #[serde(serialize_with = "super::lossy::option")]
    pub socket: Option<PathBuf>,
    /// How the agent there answered.
    pub state: AgentState,
    /// Why it could not be read, if so.
    pub error: Option<String>,
}

/// A start-up file of the shell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct StartupFile {
    /// Its name in the home directory, such as `.bash_profile`.
    pub name: String,
    /// Whether anything but comments stands in it.
    pub has_commands: bool,
    /// Names of the start-up files that it reads in turn.
    pub reads: Vec<String>,
    /// The calls of keychain in it.
    pub keychain: Vec<KeychainCall>,
    /// Lines that read one of keychain's files instead of calling keychain.
    pub keychain_file_lines: Vec<u32>,
    /// Why it could not be read, if so.
    pub error: Option<String>,
}

/// A call of keychain in a start-up file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct KeychainCall {
    /// The line, from 1.
    pub line: u32,
    /// Whether it prints nothing on standard error when all is well: `-q`, `--quiet` or a redirection.
    pub quiet: bool,
    /// Whether something before it in the file asks if the shell is interactive, so that other shells may not come here.
    pub guarded: bool,
    /// Whether it keeps its files elsewhere (`--dir`, `--host`), where nothing was looked for.
    pub elsewhere: bool,
    /// The keys that it asks for and whether each is there.
    pub keys: Vec<AskedKey>,
}

/// A key that keychain is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct AskedKey {
    /// As written.
    pub name: String,
    /// Whether the file exists; `None` when the word may mean something else, such as a GPG key.
    pub exists: Option<bool>,
}

/// A private key's file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct KeyFile {
    /// Its name.
    pub name: String,
    /// Permission bits.
    pub mode: u32,
    /// Whether this user owns it.
    pub own: bool,
    /// Whether a passphrase protects it; `None` when that cannot be told.
    pub encrypted: Option<bool>,
    /// For a key in the container's home: whether the file of that name in ~/.ssh holds the very same; `None` when there is none, when
    /// one of the two cannot be read, and when a link makes them one file.
    pub same_as_own: Option<bool>,
}

/// What stands for ssh in the home directory of the container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ContainerSsh {
    /// The home on the host.
    #[serde(serialize_with = "super::lossy::path")]
    pub path: PathBuf,
    /// Whether it is the user's own home directory.
    pub is_home: bool,
    /// Where `.ssh` in it leads when it is a link.
    #[serde(serialize_with = "super::lossy::option")]
    pub link: Option<PathBuf>,
    /// Private keys in its `.ssh`; `None` when that cannot be looked into.
    pub keys: Option<Vec<KeyFile>>,
    /// Whether it has a `.ssh/known_hosts` that is not empty.
    pub known_hosts: Option<bool>,
    /// Its `.profile`, which images source before every command; `None` when there is none.
    pub profile: Option<HomeProfile>,
}

/// The `.profile` in the container's home directory, as far as it can be judged without running it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct HomeProfile {
    /// What a shell says that parses it; `None` when none could be asked.
    pub syntax: Option<ProfileSyntax>,
    /// The line, from 1, at which every shell ends that reads it: an `exit`, or an `exec` of another program, that depends on no
    /// condition.
    pub ends_at: Option<u32>,
    /// Why it could not be read or parsed, if so.
    pub error: Option<String>,
}

/// The answer of a shell that parses a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ProfileSyntax {
    /// The shell: `dash`, or `sh` where there is no dash.
    pub shell: String,
    /// The line of the error, from 1.
    pub line: Option<u32>,
    /// The error; `None` when all is well.
    pub message: Option<String>,
}
