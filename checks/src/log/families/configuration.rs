//! casa_distro: its configuration, its Python, the environment it looks for.

use super::super::pattern::{Captures, Pattern, Texts};
use crate::finding::Severity;

/// Whether a missing key is one that casa_distro itself asks for.
fn is_key(captures: &Captures) -> bool {
    const KEYS: &[&str] = &["container_type", "name", "system", "distro", "image", "type", "version"];
    captures.get("key").is_some_and(|key| KEYS.contains(&key))
}

/// Whether a missing key looks like a variable written in braces.
fn is_variable(captures: &Captures) -> bool {
    captures.get("key").is_some_and(|key| {
        key.chars().next().is_some_and(|c| c.is_ascii_uppercase())
            && key.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
    })
}

pub(super) static PATTERNS: &[Pattern] = &[
    Pattern {
        id: "home-null-mount",
        case: 81,
        finding: Some("config-null-mount"),
        fatal: true,
        matcher: Texts::Sequences(&[
            &["casa_distro/{}.py', line", "TypeError: expected str, bytes or os.PathLike object, not NoneType"],
            &["bin/casa_distro', line", "TypeError: expected str, bytes or os.PathLike object, not NoneType"],
            &["ERROR SUMMARY (details above): expected str, bytes or os.PathLike object, not NoneType"],
        ]),
        cause: "A mount is switched off with null in the configuration, and casa_distro fails on it as long as the home of the environment does not exist.",
        cure: "Remove that line from mounts (casa-doctor --fix does), or create the home of the environment first.",
        confirm: "mounts in casa_distro.json or casa_distro_3.json has a null, and the home of the environment does not exist.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "home-null-mount-alone",
        case: 81,
        finding: Some("config-null-mount"),
        severity: Severity::Warning,
        matcher: Texts::Any(&["^^TypeError: expected str, bytes or os.PathLike object, not NoneType"]),
        yields_to: &["home-null-mount"],
        cause: "If casa_distro or bv printed this: a mount is switched off with null in the configuration, and casa_distro fails on it as long as the home of the environment does not exist. Any other Python program may print it for reasons of its own.",
        cure: "If it was casa_distro: remove that line from mounts (casa-doctor --fix does), or create the home of the environment first.",
        confirm: "mounts in casa_distro.json or casa_distro_3.json has a null, and the home of the environment does not exist.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "env-nonascii",
        case: 87,
        fatal: true,
        matcher: Texts::Sequences(&[
            &["casa_distro/{}.py', line", "UnicodeEncodeError:"],
            &["bin/casa_distro', line", "UnicodeEncodeError:"],
        ]),
        cause: "An old casa_distro cannot handle accents in a path when the language settings are those of plain C.",
        cure: "Update casa-distro, and set LANG to a UTF-8 locale such as C.UTF-8.",
        confirm: "The version of casa-distro and the value of LANG and LC_ALL.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "py-missing",
        case: 88,
        fatal: true,
        matcher: Texts::Any(&[
            "env: 'python': No such file or directory",
            "env: 'python3': No such file or directory",
            "env: python: No such file or directory",
            // The same in French, German and Spanish.
            "env: 'python': Aucun fichier ou dossier de ce type",
            "env: 'python3': Aucun fichier ou dossier de ce type",
            "env: ' python ': Aucun fichier ou dossier de ce type",
            "env: ' python3 ': Aucun fichier ou dossier de ce type",
            "env: 'python': Datei oder Verzeichnis nicht gefunden",
            "env: 'python3': Datei oder Verzeichnis nicht gefunden",
            "env: 'python': No existe el fichero o el directorio",
            "env: 'python3': No existe el fichero o el directorio",
        ]),
        cause: "A script was written for a command python that this system does not have: it has only python3, or no Python at all. Old versions of bv are such scripts.",
        cure: "Update casa-distro, or install the package python-is-python3 (python3 when that is missing).",
        confirm: "python or python3 is not on the PATH of the host.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "py-too-old",
        case: 88,
        fatal: true,
        matcher: Texts::Sequences(&[
            &["casa_distro/{}.py', line", "SyntaxError: invalid syntax"],
            &["bin/casa_distro', line", "SyntaxError: invalid syntax"],
            &["/bin/bv', line", "SyntaxError: invalid syntax"],
        ]),
        cause: "casa_distro needs Python 3.6 or newer, and the one that was used does not understand its text.",
        cure: "Use a newer python3.",
        confirm: "python3 --version on the host is older than 3.6.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "img-moved",
        case: 89,
        finding: Some("image-moved"),
        fatal: true,
        matcher: Texts::Any(&["'{image*}.sif' does not exist", "'{image*}.simg' does not exist", "'{image*}.sqsh' does not exist"]),
        cause: "The image is not where casa_distro.json says: the environment or the image was moved, or the path is relative to another directory.",
        cure: "Correct the key image (casa-doctor --fix finds an image that was moved along).",
        confirm: "The file in the message does not exist, and a file of that name exists beside the environment.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "img-swapped",
        case: 90,
        finding: Some("image-id-mismatch"),
        fatal: true,
        matcher: Texts::Any(&["The selected image is incompatible with the environment to run"]),
        cause: "The image was replaced by another one than the environment was made with.",
        cure: "Run the setup of the environment again with the new image, or put the former image back.",
        confirm: "image_id in casa_distro.json differs from image_id in the .json file of the image.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "img-checksum",
        finding: Some("image-checksum"),
        fatal: true,
        matcher: Texts::Any(&[
            "RuntimeError: mismatching md5 sum",
            "mismatching md5 sum",
            // VirtualBox, of a disk in an appliance.
            "digest of '{file*}' does not match the one in '{manifest*}'",
        ]),
        cause: "The image that was downloaded is not the one that was published: the transfer was damaged or interrupted.",
        cure: "Download it again.",
        confirm: "The md5 of the file differs from the one in its .json file.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "nested",
        case: 91,
        finding: Some("nested-container"),
        fatal: true,
        matcher: Texts::Any(&["called from within a casa-distro container"]),
        cause: "bv or casa_distro was started inside a container that it started itself, or the variable CASA_HOST_DIR was exported in the shell of the host.",
        cure: "Use a shell of the host, or unset CASA_HOST_DIR; inside the container call the program itself.",
        confirm: "CASA_HOST_DIR is set.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "config-braces",
        finding: Some("config-braces"),
        fatal: true,
        matcher: Texts::Sequences(&[
            &["casa_distro/{}.py', line", "unmatched '{{' in format spec"],
            &["bin/casa_distro', line", "unmatched '{{' in format spec"],
            &["casa_distro/{}.py', line", "Single '{{' encountered in format string"],
            &["bin/casa_distro', line", "Single '{{' encountered in format string"],
            &["casa_distro/{}.py', line", "KeyError: '{key}'"],
            &["bin/casa_distro', line", "KeyError: '{key}'"],
        ]),
        when: Some(|captures| captures.get("key").is_none() || is_variable(captures)),
        cause: "A value in casa_distro.json holds braces, as in ${VAR}; casa_distro 3 takes them for its own and fails.",
        cure: "Write $VAR without braces (casa-doctor --fix does).",
        confirm: "env, gui_env or mounts in the configuration contains { or }.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "config-missing-key",
        finding: Some("config-missing-key"),
        fatal: true,
        matcher: Texts::Sequences(&[
            &["casa_distro/{}.py', line", "KeyError: '{key}'"],
            &["bin/casa_distro', line", "KeyError: '{key}'"],
            // What becomes of an image that is not named, in the versions of casa_distro and of Python.
            &["image is missing from environment configuration file"],
            &["casa_distro/{}.py', line", "TypeError: join() argument must be str"],
            &["bin/casa_distro', line", "TypeError: join() argument must be str"],
            &["ERROR SUMMARY (details above): join() argument must be str"],
        ]),
        when: Some(|captures| captures.get("key").is_none() || is_key(captures)),
        cause: "casa_distro.json lacks a key without which casa_distro does not work.",
        cure: "Add the key; run the setup of the environment again when much is missing.",
        confirm: "The key in the message is not in conf/casa_distro.json.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "config-invalid-json",
        finding: Some("config-invalid-json"),
        fatal: true,
        matcher: Texts::Sequences(&[
            &["casa_distro/{}.py', line", "JSONDecodeError: {reason*}: line {line} column {column}"],
            &["bin/casa_distro', line", "JSONDecodeError: {reason*}: line {line} column {column}"],
            &["ERROR SUMMARY (details above): {reason*}: line {line} column {column} (char"],
        ]),
        cause: "A configuration file is no valid JSON: mostly a comma too many or missing, or a comment. The message does not say which file.",
        cure: "casa-doctor names the file, the line and the column.",
        confirm: "conf/casa_distro.json or ~/.config/casa-distro/casa_distro_3.json cannot be read as JSON.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "config-invalid-json-alone",
        finding: Some("config-invalid-json"),
        severity: Severity::Warning,
        // The words of Python's own reader, as some versions of casa_distro print them. Behind the name of a program or of a library
        // they are that one's.
        matcher: Texts::Any(&[
            "^^json.decoder.JSONDecodeError: {reason*}: line {line} column {column} (char",
            "^^Expecting property name enclosed in double quotes: line {line} column {column} (char",
            "^^Expecting value: line {line} column {column} (char",
            "^^Expecting ',' delimiter: line {line} column {column} (char",
            "^^Expecting ':' delimiter: line {line} column {column} (char",
            "^^Illegal trailing comma before end of object: line {line} column {column} (char",
            "^^Illegal trailing comma before end of array: line {line} column {column} (char",
            "^^Extra data: line {line} column {column} (char",
            "^^Invalid control character at: line {line} column {column} (char",
            "^^Invalid \\escape: line {line} column {column} (char",
            "^^Unterminated string starting at: line {line} column {column} (char",
        ]),
        yields_to: &["config-invalid-json"],
        cause: "If casa_distro or bv printed this: a configuration file is no valid JSON, mostly a comma too many or missing, or a comment. Any other Python program that reads JSON prints the same of a file of its own; the message does not say which file.",
        cure: "casa-doctor tells whether it is a file of casa_distro, and names the file, the line and the column.",
        confirm: "conf/casa_distro.json or ~/.config/casa-distro/casa_distro_3.json cannot be read as JSON.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "config-two-layouts",
        finding: Some("config-two-layouts"),
        fatal: true,
        matcher: Texts::Any(&["Several environments found, use a more selective criterion"]),
        cause: "More than one environment fits: several are installed, or one directory has both conf and host/conf.",
        cure: "Name the environment (name=NAME, or its directory).",
        confirm: "The environments that casa_distro list shows.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "config-no-environment",
        fatal: true,
        matcher: Texts::Any(&["Cannot find execution environment"]),
        cause: "bv found no environment: it looks for conf/casa_distro.json in the directories above itself, then in CASA_ENVIRONMENT_DIR.",
        cure: "Start the bv in the bin directory of the environment, or set CASA_ENVIRONMENT_DIR.",
        confirm: "No conf/casa_distro.json above bv, and CASA_ENVIRONMENT_DIR is unset.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "config-none-selected",
        fatal: true,
        matcher: Texts::Any(&["Cannot find any environment to perform the requested"]),
        cause: "No environment is what casa_distro was asked for: its name is another one, or it is under another base directory than the one where casa_distro looks (~/casa_distro).",
        cure: "casa_distro list shows the environments and their names; name the directory above them with base_directory=DIRECTORY or CASA_BASE_DIRECTORY.",
        confirm: "The words base_directory and selection in the message.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "config-container-type",
        finding: Some("config-container-type"),
        fatal: true,
        matcher: Texts::Any(&[
            "^^Invalid container type: {type}",
            "^^ValueError: Invalid container type: {type}",
            "ERROR SUMMARY (details above): Invalid container type: {type}",
        ]),
        cause: "container_type in casa_distro.json is a word that casa_distro does not know: it knows singularity and apptainer, in small letters.",
        cure: "Correct container_type; casa-doctor says to what.",
        confirm: "The value of container_type in conf/casa_distro.json.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "opengl-value",
        fatal: true,
        matcher: Texts::Any(&["Invalid value for the opengl option"]),
        cause: "casa_distro was given a mode for OpenGL that it does not know: it knows opengl=auto, container, nv and software.",
        cure: "Use one of these; casa-doctor tells which one suits this machine and display.",
        confirm: "The word after opengl= on the command line.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "config-path-unusable",
        finding: Some("config-path-unusable"),
        fatal: true,
        matcher: Texts::Any(&["While setting home directory: home argument has incorrect number of elements"]),
        cause: "The engine was given a home directory with more than one colon, mostly because a colon stands in the path of the environment: it takes what follows a colon for another path.",
        cure: "Move the environment to a directory without a colon in its path.",
        confirm: "The path of the environment contains a colon.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "config-not-runnable",
        finding: Some("config-container-type"),
        fatal: true,
        matcher: Texts::Any(&["run command is not implemented for {engine}"]),
        cause: "casa_distro 3 starts containers with Apptainer and Singularity only; the environment was made for Docker or VirtualBox.",
        cure: "Use an environment with an Apptainer image, or start the virtual machine by hand.",
        confirm: "container_type in casa_distro.json is docker or vbox.",
        ..Pattern::BLANK
    },
];
