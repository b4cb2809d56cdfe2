//! Texts about files, mounts, the configuration, casa_distro itself.

use super::{Row, row};

pub(super) static ROWS: &[Row] = &[
    row(
        "FATAL:   container creation failed: mount hook function failure: mount /afs/home/u->/afs/home/u error: while mounting /afs/home/u: destination /afs/home/u doesn't exist in container",
        "home-afs",
        &[78],
    ),
    row("mounting ... destination ... doesn't exist in container", "home-afs", &[78]),
    row(
        "FATAL:   container creation failed: mount /neurospin/u->/neurospin/u error: can't mount: permission denied",
        "home-nfs-squash",
        &[79],
    ),
    row(
        "FATAL:   container creation failed: failed to add  as session directory: path . is not an absolute path",
        "home-nonstd",
        &[80],
    ),
    row(
        "Traceback (most recent call last):\n  File \"/opt/casa-distro/python/casa_distro/environment.py\", line 1017, in run_container\n    source = os.path.expandvars(source)\n  File \"/usr/lib/python3.10/posixpath.py\", line 284, in expandvars\n    path = os.fspath(path)\nTypeError: expected str, bytes or os.PathLike object, not NoneType",
        "home-null-mount",
        &[81],
    ),
    row("Cannot save the configuration. Perhaps it is a read-only site-wide install", "home-readonly", &[83]),
    row(
        "WARNING: the path /volatile cannot be found on your system, so it cannot be mounted in the container as requested by your casa-distro configuration.",
        "mount-stale-user",
        &[85],
    ),
    row(
        "WARNING: the path /tmp/ssh-XXXX/agent.12 cannot be found on your system, so it cannot be mounted in the container as requested by your casa-distro configuration.",
        "mount-dead-agent",
        &[110],
    ),
    row(
        "  File \"/opt/casa_distro/python/casa_distro/log.py\", line 12, in write\nUnicodeEncodeError: 'ascii' codec can't encode character '\\xe9' in position 12: ordinal not in range(128)",
        "env-nonascii",
        &[87],
    ),
    row("/usr/local/bin/entrypoint: 1: /casa/home/.profile: Syntax error: \"(\" unexpected", "home-profile", &[82]),
    row(
        "/usr/local/bin/entrypoint: 3: /casa/home/.profile: Syntax error: end of file unexpected (expecting \"fi\")",
        "home-profile",
        &[82],
    ),
    row("/usr/local/bin/entrypoint: 2: /casa/home/.profile: FOO: parameter not set", "home-profile", &[82]),
    row("/casa/home/.profile: line 3: syntax error: unexpected end of file", "home-profile", &[82]),
    row(
        "  File \"/opt/casa_distro/python/casa_distro/environment.py\", line 840, in setup\n    shutil.copystat(src, dst)\n  File \"/usr/lib/python3.10/shutil.py\", line 378, in copystat\n    _copyxattr(src, dst, follow_symlinks=follow)\n  File \"/usr/lib/python3.10/shutil.py\", line 328, in _copyxattr\n    os.setxattr(dst, name, value, follow_symlinks=follow_symlinks)\nOSError: [Errno 524] Unknown error 524: '/data/bv/conf'",
        "fs-copystat",
        &[86],
    ),
    row(
        "job: error while loading shared libraries: libmpi.so.40: cannot open shared object file: No such file or directory",
        "mpi-library",
        &[120],
    ),
    row("OSError: libmpi.so.40: cannot open shared object file: No such file or directory", "mpi-library", &[120]),
    row("ImportError: libmpi.so.12: cannot open shared object file: No such file or directory", "mpi-library", &[120]),
    row(
        "ERROR: ld.so: object '/ccc/products/openmpi-4.0.5/default/lib/libmpi.so' from LD_PRELOAD cannot be preloaded (cannot open shared object file): ignored.",
        "mpi-library",
        &[120],
    ),
    row("/usr/bin/env: 'python': No such file or directory", "py-missing", &[88]),
    row("/usr/bin/env: ‘python’: No such file or directory", "py-missing", &[88]),
    row(
        "  File \"/opt/casa_distro/python/casa_distro/info.py\", line 3\n    v = f'{a}.{b}'\n                 ^\nSyntaxError: invalid syntax",
        "py-too-old",
        &[88],
    ),
    row("ValueError: '/data/casa/brainvisa-5.1.sif' does not exist", "img-moved", &[89]),
    row("'X.sif' does not exist", "img-moved", &[89]),
    row("ValueError: The selected image is incompatible with the environment to run", "img-swapped", &[90]),
    row("RuntimeError: mismatching md5 sum on file /data/x.sif", "img-checksum", &[]),
    row("Error: the \"bv\" command has been called from within a casa-distro container.", "nested", &[91]),
    row(
        "  File \"/opt/casa_distro/python/casa_distro/environment.py\", line 700, in run\n    v = v.format(**config)\nKeyError: 'DATA_DIR'",
        "config-braces",
        &[],
    ),
    row("  File \"/env/bin/casa_distro\", line 12, in <module>\nValueError: unmatched '{' in format spec", "config-braces", &[]),
    row(
        "  File \"/opt/casa_distro/python/casa_distro/environment.py\", line 700, in iter_environments\nKeyError: 'container_type'",
        "config-missing-key",
        &[],
    ),
    row(
        "  File \"/opt/casa_distro/python/casa_distro/environment.py\", line 70, in load\njson.decoder.JSONDecodeError: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
        "config-invalid-json",
        &[],
    ),
    row("ValueError: Several environments found, use a more selective criterion: a, b", "config-two-layouts", &[]),
    row("Error: Cannot find execution environment", "config-no-environment", &[]),
    row("NotImplementedError: run command is not implemented for Docker", "config-not-runnable", &[]),
    row(
        "docker: failed to register layer: write /var/lib/docker/overlay2/x/diff: no space left on device",
        "disk-full-docker",
        &[93],
    ),
    row("OSError: [Errno 28] No space left on device: '/tmp/x'", "disk-full", &[]),
    row("touch: cannot touch '/Users/me/x': Read-only file system", "fs-read-only", &[]),
    row("mkdir /home/lima/x: read-only file system", "fs-read-only", &[]),
    row("This is frequently caused by incorrect permissions on /dev/shm.  Try 'sudo chmod 1777 /dev/shm'", "wsl-shm", &[92]),
    row("cannot be connected if \"/dev/shm\" is a symlink", "wsl-shm", &[92]),
    row("Error: openat2 dev/shm: No such file or directory", "wsl-shm", &[92]),
    row("ls: cannot open directory '/media/sf_home': Permission denied", "vb-vboxsf", &[108]),
    row(
        "anatomist: error while loading shared libraries: libQt5Core.so.5: cannot open shared object file: No such file or directory",
        "library-missing",
        &[],
    ),
];
