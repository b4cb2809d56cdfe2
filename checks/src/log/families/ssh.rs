//! The ssh agent, keys, host keys, keychain.

use super::super::pattern::{Pattern, Texts};
use crate::finding::Severity;

pub(super) static PATTERNS: &[Pattern] = &[
    Pattern {
        id: "ssh-dead-sock",
        case: 110,
        also: &[111],
        finding: Some("ssh-agent-dead"),
        matcher: Texts::Any(&[
            "Error connecting to agent: No such file or directory",
            "Error connecting to agent: Connection refused",
            "^Error connecting to agent$",
        ]),
        cause: "SSH_AUTH_SOCK names the socket of an ssh agent that has ended: an old tmux or screen session, a keychain file of another boot, or a container that does not see the socket.",
        cure: "Open a new session, or run eval \"$(keychain --eval --quiet)\" (or ssh-agent and ssh-add), and launch the container from there.",
        confirm: "The socket named by SSH_AUTH_SOCK does not exist or refuses connections.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ssh-no-agent",
        case: 110,
        also: &[112],
        finding: Some("ssh-agent-unset"),
        matcher: Texts::Any(&["Could not open a connection to your authentication agent"]),
        cause: "There is no ssh agent here: SSH_AUTH_SOCK is unset or empty, so a container has none either.",
        cure: "Start one in the shell that launches the container: eval \"$(keychain --eval --quiet)\", or eval \"$(ssh-agent)\" and ssh-add.",
        confirm: "SSH_AUTH_SOCK is unset in the shell that starts the container.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ssh-agent-forbidden",
        finding: Some("ssh-agent-denied"),
        matcher: Texts::Any(&["Error connecting to agent: Permission denied"]),
        cause: "The ssh agent belongs to another user, or its socket lies in a directory that you may not enter.",
        cure: "Use an agent of your own, and no SSH_AUTH_SOCK kept by sudo or su.",
        confirm: "Owner and mode of the socket named by SSH_AUTH_SOCK and of its directory.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ssh-agent-no-keys",
        finding: Some("ssh-agent-empty"),
        severity: Severity::Warning,
        matcher: Texts::Any(&["The agent has no identities"]),
        cause: "The ssh agent works and has no keys, or it is locked (which looks the same).",
        cure: "Add a key: ssh-add ~/.ssh/id_ed25519; when it was locked: ssh-add -X.",
        confirm: "ssh-add -l lists nothing on the host.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ssh-agent-refused",
        finding: Some("ssh-agent-locked"),
        matcher: Texts::Any(&["agent refused operation"]),
        cause: "The ssh agent has the key and does not use it: it is locked, the key wants a confirmation, or a password window could not be opened.",
        cure: "Unlock it (ssh-add -X), or answer its window on the screen where the agent runs.",
        confirm: "ssh-add -T KEY.pub fails on the host too.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ssh-agent-not-agent",
        finding: Some("ssh-agent-dead"),
        matcher: Texts::Any(&["error fetching identities: invalid format"]),
        cause: "SSH_AUTH_SOCK names a socket of another kind, such as the main socket of gpg-agent.",
        cure: "Set it to the ssh socket: gpgconf --list-dirs agent-ssh-socket tells it for gpg-agent.",
        confirm: "What listens at the socket named by SSH_AUTH_SOCK.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ssh-agent-origin-dead",
        finding: Some("ssh-agent-dead"),
        matcher: Texts::Any(&["error fetching identities: communication with agent failed"]),
        cause: "The ssh agent broke off: an agent that is forwarded by ssh has ended on the computer from which you came, or it belongs to another user.",
        cure: "Start the agent there again and reconnect with ssh -A.",
        confirm: "SSH_AUTH_SOCK was made by sshd, and ssh-add -l fails on the computer from which you came.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ssh-hostkey-changed",
        matcher: Texts::Any(&["REMOTE HOST IDENTIFICATION HAS CHANGED"]),
        cause: "The other computer shows another key than the one known: it was reinstalled, or somebody stands in between.",
        cure: "Ask its administrator for the new fingerprint; only then remove the old entry with ssh-keygen -R HOST.",
        confirm: "The fingerprint that the administrator gives.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ssh-hostkey",
        case: 113,
        finding: Some("ssh-known-hosts-missing"),
        matcher: Texts::Any(&["Host key verification failed"]),
        follows: &["ssh-hostkey-changed"],
        cause: "ssh does not know the other computer and could not ask: in a container the home is another one, without your known_hosts.",
        cure: "Copy ~/.ssh/known_hosts (only this file, no keys) to .ssh in the home of the environment, or connect once by hand.",
        confirm: "The home of the environment has no .ssh/known_hosts with this computer.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ssh-key-mode",
        finding: Some("ssh-key-permissions"),
        matcher: Texts::Any(&[
            "UNPROTECTED PRIVATE KEY FILE",
            "Permissions {mode} for '{key*}' are too open",
            "Load key '{key*}': bad permissions",
        ]),
        cause: "ssh does not use a private key that others may read.",
        cure: "chmod 600 on the key in the message; on a Windows disk under WSL keep keys in the Linux home.",
        confirm: "The mode of the key file.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ssh-config-mode",
        matcher: Texts::Any(&["Bad owner or permissions on {file}"]),
        cause: "ssh ends when its configuration belongs to another user or may be written by others. In a container that happens when your files are mounted and you are another user there.",
        cure: "chmod 600 on the file in the message; do not mount ~/.ssh into a container that runs as another user: the agent is enough.",
        confirm: "Owner and mode of that file, seen from where ssh runs.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ssh-no-user",
        matcher: Texts::Any(&["No user exists for uid {uid}"]),
        cause: "ssh wants to know the name of the user that it runs as, and the user database there has none for this number: a container that was started with a number of a user alone.",
        cure: "Launch with casa-doctor run, or mount /etc/passwd of the host into the container; Apptainer adds the entry by itself.",
        confirm: "getent passwd shows no line for the number in the message inside the container.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ssh-too-many",
        matcher: Texts::Any(&["Too many authentication failures"]),
        cause: "The agent holds so many keys that the server gave up before the right one was tried (servers allow six).",
        cure: "Name the key in ~/.ssh/config: IdentityFile and IdentitiesOnly yes for this host.",
        confirm: "ssh-add -l lists six keys or more.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ssh-old-signature",
        matcher: Texts::Any(&["signature algorithm ssh-rsa not in PubkeyAcceptedAlgorithms", "no mutual signature algorithm"]),
        cause: "Client and server agree on no kind of signature for an RSA key, because one of them is very old.",
        cure: "Make a newer key (ssh-keygen -t ed25519); for an old server PubkeyAcceptedAlgorithms +ssh-rsa in ~/.ssh/config, for that host only.",
        confirm: "The versions of ssh on both sides, and the kind of the key.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ssh-publickey-denied",
        case: 112,
        matcher: Texts::Any(&["Permission denied (publickey"]),
        follows: &[
            "ssh-dead-sock",
            "ssh-no-agent",
            "ssh-agent-forbidden",
            "ssh-agent-no-keys",
            "ssh-agent-refused",
            "ssh-agent-not-agent",
            "ssh-agent-origin-dead",
            "ssh-key-mode",
            "ssh-old-signature",
            "ssh-too-many",
            "mount-dead-agent",
        ],
        cause: "The other computer wants a key, and none that ssh offered is known there. In a container your keys in ~/.ssh are not visible: only the agent of the host is.",
        cure: "Load the key into the agent of the host (ssh-add) before the launch, and see with ssh-add -l in the container that it is there.",
        confirm: "ssh-add -l on the host and in the container, and that the key is in authorized_keys over there.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "keychain-key-missing",
        finding: Some("keychain-stale"),
        severity: Severity::Warning,
        matcher: Texts::Any(&["Warning: can't find {key}; skipping"]),
        cause: "keychain was told to load a key that does not exist, so the agent stays empty. The documentation names id_rsa, while keys are called id_ed25519 today.",
        cure: "Correct the name in the start-up file (~/.bash_profile or the like).",
        confirm: "The key in the message is not in ~/.ssh.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "keychain-missing",
        finding: Some("keychain-missing"),
        severity: Severity::Warning,
        matcher: not_found!("keychain"; "^keychain: not found"),
        cause: "The program keychain is not installed where this was called.",
        cure: "Let an administrator install the package keychain, or take the call out of the start-up file.",
        confirm: "command -v keychain prints nothing.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "keychain-no-file",
        finding: Some("keychain-stale"),
        severity: Severity::Warning,
        matcher: Texts::Any(&["Can't query. Does pidfile exist?"]),
        cause: "keychain was asked for an agent before it started one on this computer.",
        cure: "Run eval \"$(keychain --eval --quiet)\" first.",
        confirm: "~/.keychain has no file for this computer's name.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "keychain-unwritable",
        severity: Severity::Warning,
        matcher: Texts::Any(&["cannot create {directory*}-lockf.{pid}: Permission denied"]),
        cause: "keychain cannot write its directory, so no agent is kept.",
        cure: "Make ~/.keychain your own (chown, chmod 700).",
        confirm: "Owner and mode of ~/.keychain.",
        ..Pattern::BLANK
    },
];
