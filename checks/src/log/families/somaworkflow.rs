//! soma-workflow: jobs on other computers.

use super::super::pattern::{Pattern, Texts};

pub(super) static PATTERNS: &[Pattern] = &[
    Pattern {
        id: "swf-path",
        case: 116,
        finding: Some("somaworkflow-path"),
        fatal: true,
        matcher: not_found!("bv", "casa_distro"; "bv: not found"),
        cause: "The shell that should run the job does not find bv: the bin directory of the environment is not on its PATH.",
        cure: "Add the environment's bin directory to PATH in a file that this shell reads (~/.bashrc for ssh and batch jobs), or write the full path in CONTAINER_COMMAND.",
        confirm: "ssh HOST 'command -v bv' prints nothing.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "swf-slurm-command",
        case: 116,
        finding: Some("somaworkflow-path"),
        fatal: true,
        matcher: Texts::Any(&["error: execve(): {command}: No such file or directory"]),
        cause: "Slurm started a job whose program is not there on the machine that runs it: a command of the container is found only by way of the environment's bin directory.",
        cure: "Let CONTAINER_COMMAND name bv with its whole path, or add the environment's bin directory to PATH in ~/.bashrc on the machines that run jobs.",
        confirm: "The program is not on the PATH of the machine that runs the job.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "swf-light-mode",
        finding: Some("somaworkflow-config-invalid"),
        fatal: true,
        matcher: Texts::Any(&[
            "ValueError: invalid literal for int() with base 10: 'True'",
            "ValueError: invalid literal for int() with base 10: 'False'",
        ]),
        cause: "A Python program reads a whole number where a word stands. In soma-workflow that is LIGHT_MODE, which its documentation shows as True.",
        cure: "Write LIGHT_MODE = 1 in ~/.soma-workflow.cfg, or LIGHT_MODE = 0 to switch it off.",
        confirm: "The lines above it name soma_workflow/configuration.py.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "swf-params",
        case: 117,
        fatal: true,
        matcher: Texts::Any(&[
            "'$SOMAWF_{which}_PARAMS'",
            "$SOMAWF_INPUT_PARAMS: No such file",
            "No such file or directory: $SOMAWF_{which}_PARAMS",
        ]),
        cause: "The job got the name of a variable instead of its value: the variable is not set on the computer that runs it, and casa_distro leaves unknown variables as they are.",
        cure: "Update casa-distro and soma-workflow on that computer; remove SOMAWF_INPUT_PARAMS and SOMAWF_OUTPUT_PARAMS from env in casa_distro.json when they are not used.",
        confirm: "SOMAWF_INPUT_PARAMS is unset where the job runs.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "swf-stderr",
        finding: Some("somaworkflow-noise"),
        fatal: true,
        matcher: Texts::Any(&["Cannot find soma-workflow on {host}. Please verify if your PYTHONPATH includes the soma-workflow"]),
        cause: "soma-workflow was not found over there, or something else wrote to the error output when logging in: any line there (keychain without -q, a message of module or stty) counts as failure.",
        cure: "Make the start-up files over there silent (keychain -q), then check that python -c 'import soma_workflow' works.",
        confirm: "ssh HOST true 2>&1 prints nothing, and the import succeeds.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "swf-python-version",
        finding: Some("somaworkflow-python"),
        fatal: true,
        matcher: Texts::Any(&["already been running with a different version of Python"]),
        cause: "The soma-workflow server over there was started by another major version of Python than the client uses.",
        cure: "Stop that server, and set PYTHON_COMMAND in ~/.soma-workflow.cfg to the same Python on both sides (bv python).",
        confirm: "The Python versions of both sides.",
        ..Pattern::BLANK
    },
];
