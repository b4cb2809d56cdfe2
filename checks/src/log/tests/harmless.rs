//! Logs made to look like real ones in which nothing is wrong, and messages that are known to be harmless.

use super::*;

/// Harmless messages, and the pattern that says so.
pub(super) static NAMED: &[(&str, &str)] = &[
    ("QStandardPaths: error: XDG_RUNTIME_DIR is invalid or not set in the environment.", "harmless-runtime-dir"),
    ("QStandardPaths: XDG_RUNTIME_DIR not set, defaulting to '/tmp/runtime-alice'", "harmless-runtime-dir"),
    ("INFO:    gocryptfs not found, will not be able to use gocryptfs", "harmless-gocryptfs"),
    ("/usr/bin/xauth:  file /home/alice/.Xauthority does not exist", "harmless-xauth-new"),
    (" * Warning: --agents is deprecated, ignoring.", "harmless-keychain-agents"),
    ("MESA: error: ZINK: failed to choose pdev", "mesa-zink-noise"),
    ("glx: failed to create drisw screen", "mesa-zink-noise"),
    ("INFO:    User not listed in /etc/subuid, trying root-mapped namespace", "ap-subuid-fallback"),
    ("INFO:    Using fakeroot command combined with root-mapped namespace", "ap-subuid-fallback"),
    ("QXcbConnection: Failed to initialize XRandr", "qt-xrandr"),
    (
        "WARN[0000] \"/\" is not a shared mount, this could cause issues or missing mounts with rootless containers",
        "podman-shared-mount",
    ),
    ("The domain/default pair of (org.xquartz.X11, nolisten_tcp) does not exist", "mac-defaults-missing"),
    ("[    3.1] vmwgfx 0000:00:02.0: [drm] *ERROR* vmwgfx seems to be running on an unsupported hypervisor.", "vb-vmwgfx-noise"),
    ("[    3.2] [drm:vmw_host_printf [vmwgfx]] *ERROR* Failed to open channel", "vb-vmwgfx-noise"),
    ("Warning: --audio is deprecated and will be removed soon. Use --audio-driver instead!", "vb-audio-option"),
];

#[test]
fn harmless_messages_are_named_as_harmless() {
    for (text, id) in NAMED {
        let found = read(text);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert_eq!(found[0].pattern.id, *id, "{text}");
        assert!(found[0].pattern.is_harmless() && found[0].severity == Severity::Info, "{text}");
    }
}

/// Logs in which nothing is wrong, each made to look like the output of a real program.
const HEALTHY: &[(&str, &str)] = &[
    (
        "glxinfo -B",
        "name of display: :0\ndisplay: :0  screen: 0\ndirect rendering: Yes\nExtended renderer info (GLX_MESA_query_renderer):\n    Vendor: Mesa (0xffffffff)\n    Device: llvmpipe (LLVM 15.0.6, 256 bits) (0xffffffff)\n    Version: 22.3.6\n    Accelerated: no\n    Video memory: 15990MB\n    Unified memory: yes\n    Preferred profile: core (0x1)\n    Max core profile version: 4.5\nOpenGL vendor string: Mesa\nOpenGL renderer string: llvmpipe (LLVM 15.0.6, 256 bits)\nOpenGL core profile version string: 4.5 (Core Profile) Mesa 22.3.6\nOpenGL ES profile version string: OpenGL ES 3.2 Mesa 22.3.6\n",
    ),
    (
        "an X server that goes on with software rendering",
        "[  8366.813] (II) Initializing extension GLX\n[  8366.813] (EE) AIGLX error: dlopen of /usr/lib/dri/i965_dri.so failed (/usr/lib/dri/i965_dri.so: cannot open shared object file: No such file or directory)\n[  8366.813] (EE) AIGLX error: unable to load driver i965\n[  8366.834] (II) IGLX: Loaded and initialized swrast\n",
    ),
    (
        "drivers of Vulkan that step aside",
        "TU: error: ../src/freedreno/vulkan/tu_knl.cc:251: failed to open device /dev/dri/renderD128 (VK_ERROR_INCOMPATIBLE_DRIVER)\nWARNING: [Loader Message] Code 0 : terminator_CreateInstance: Received return code -3 from call to vkCreateInstance in ICD /usr/lib/x86_64-linux-gnu/libvulkan_virtio.so. Skipping this driver.\nWARNING: lavapipe is not a conformant vulkan implementation, testing use only.\n",
    ),
    (
        "sound, buses and themes that a container lacks",
        "ALSA lib confmisc.c:855:(parse_card) cannot find card '0'\nALSA lib pcm.c:2664:(snd_pcm_open_noupdate) Unknown PCM default\njack server is not running or cannot be started\n[71:89:0101/101010.101010:ERROR:bus.cc(399)] Failed to connect to the bus: Failed to connect to socket /run/dbus/system_bus_socket: No such file or directory\n(process:71): dconf-WARNING **: failed to commit changes to dconf: Cannot autolaunch D-Bus without X11 $DISPLAY\nGtk-Message: 10:10:10.100: Failed to load module \"canberra-gtk-module\"\nFontconfig error: Cannot load default config file: No such file: (null)\nQt: Session management error: None of the authentication protocols specified are supported\nqt.qpa.xcb: QXcbConnection: XCB error: 2 (BadValue), sequence: 3, resource id: 0, major code: 152 (Unknown), minor code: 17\n",
    ),
    (
        "an apptainer build",
        "INFO:    Starting build...\nINFO:    Fetching OCI image...\n28.5MiB / 28.5MiB [=================] 100 % 8.2 MiB/s 0s\nINFO:    Extracting OCI image...\nINFO:    Inserting Apptainer configuration...\nINFO:    Running post scriptlet\n+ apt-get update\nGet:1 http://deb.example.org/debian bookworm InRelease [151 kB]\n+ apt-get install -y libgl1-mesa-dri libglvnd0 libxcb-cursor0 xauth\nSetting up libgl1-mesa-dri:amd64 (22.3.6-1+deb12u1) ...\nProcessing triggers for libc-bin (2.36-9+deb12u4) ...\nINFO:    Creating SIF file...\nINFO:    Build complete: test.sif\nINFO:    Converting SIF file to temporary sandbox...\nINFO:    Cleaning up image...\n",
    ),
    (
        "a Qt program",
        "qt.qpa.qgnomeplatform: Could not find color scheme  \"\"\nQSocketNotifier: Can only be used with threads started with QThread\nqt.svg: <input CSS>:406:376: Could not add child element to parent element because the types are incorrect.\nlibpng warning: iCCP: known incorrect sRGB profile\nQLayout: Attempting to add QLayout \"\" to QWidget \"\", which already has a layout\nQt: Session management error: None of the authentication protocols specified are supported\nQGuiApplication::setDesktopFileName\nGtk-Message: 10:11:12.013: Failed to load module \"canberra-gtk-module\"\n",
    ),
    (
        "dmesg",
        "[    0.000000] Linux version 6.1.0-18-amd64 (debian-kernel@lists.debian.org) (gcc-12 (Debian 12.2.0-14) 12.2.0)\n[    1.204512] pci 0000:01:00.0: [10de:1f08] type 00 class 0x030000\n[    4.410001] nvidia: loading out-of-tree module taints kernel.\n[    4.412345] nvidia: module license 'NVIDIA' taints kernel.\n[    4.530192] NVRM: loading NVIDIA UNIX x86_64 Kernel Module  535.161.08  Fri Feb 16 03:35:09 UTC 2024\n[    4.900012] [drm] [nvidia-drm] [GPU ID 0x00000100] Loading driver\n[    5.100000] audit: type=1400 audit(1716.1:2): apparmor=\"STATUS\" operation=\"profile_load\" profile=\"unconfined\" name=\"apptainer\"\n[    6.120000] EXT4-fs (sda2): mounted filesystem with ordered data mode. Quota mode: none.\n[    9.200000] systemd[1]: Mounted FUSE Control File System.\n[  120.000000] usb 1-2: device descriptor read/64, error -110\n[  310.400000] nfs: server nas1 not responding, still trying\n",
    ),
    (
        "pytest",
        "============================= test session starts ==============================\nplatform linux -- Python 3.10.12, pytest-7.4.0, pluggy-1.2.0\nrootdir: /casa/host/src/soma-base\ncollected 42 items\n\ntests/test_controller.py ......F...                                      [ 23%]\n\n=================================== FAILURES ===================================\n________________________ test_missing_file ________________________\n    def test_missing_file():\n>       assert open('x.json')\nE       FileNotFoundError: [Errno 2] No such file or directory: 'x.json'\n\ntests/test_controller.py:71: FileNotFoundError\nE       TypeError: expected str, bytes or os.PathLike object, not NoneType\nE       KeyError: 'image'\nE       SyntaxError: invalid syntax\nE       UnicodeEncodeError: 'ascii' codec can't encode character\n=========================== short test summary info ============================\nFAILED tests/test_controller.py::test_missing_file\n========================= 1 failed, 41 passed in 3.21s =========================\n",
    ),
    (
        "git clone",
        "Cloning into 'casa-distro'...\nremote: Enumerating objects: 15012, done.\nremote: Counting objects: 100% (1200/1200), done.\rremote: Compressing objects:  10% (55/540)\rremote: Compressing objects: 100% (540/540), done.\nremote: Total 15012 (delta 700), reused 1100 (delta 640), pack-reused 13812\nReceiving objects: 100% (15012/15012), 9.51 MiB | 12.01 MiB/s, done.\nResolving deltas: 100% (9021/9021), done.\nNote: switching to '934778a'.\nYou are in 'detached HEAD' state. You can look around, make experimental\nchanges and commit them.\n",
    ),
    (
        "ssh -v",
        "OpenSSH_9.2p1 Debian-2+deb12u2, OpenSSL 3.0.11 19 Sep 2023\ndebug1: Reading configuration data /etc/ssh/ssh_config\ndebug1: Connecting to cluster.example.org [10.0.0.7] port 22.\ndebug1: Connection established.\ndebug1: identity file /home/alice/.ssh/id_rsa type -1\ndebug1: kex: host key algorithm: ssh-ed25519\ndebug1: Host 'cluster.example.org' is known and matches the ED25519 host key.\ndebug1: get_agent_identities: bound agent to hostkey\ndebug1: Will attempt key: alice@laptop ED25519 SHA256:abcd agent\ndebug1: Authentications that can continue: publickey,password\ndebug1: Next authentication method: publickey\ndebug1: Server accepts key: alice@laptop ED25519 SHA256:abcd agent\nAuthenticated to cluster.example.org ([10.0.0.7]:22) using \"publickey\".\ndebug1: Requesting X11 forwarding with authentication spoofing.\ndebug1: Requesting authentication agent forwarding.\ndebug1: client_input_channel_open: ctype x11 rchan 3 win 65536 max 16384\ndebug1: x11_connect_display: /tmp/.X11-unix/X0\ndebug1: Exit status 0\n",
    ),
    (
        "the start of BrainVISA",
        "Loading toolbox \"axon\"\n    -> Loading toolbox \"Morphologist\" finished\nreading info from /casa/host/install/share/brainvisa-share-5.1\nconfiguration file: /home/alice/.brainvisa/options-5.1.minf\nimporting anatomist...\nglobal modules: 40\nhome config: /home/alice/.anatomist\nPyAnatomist Module present\nload module: palettes\nregister colormap: Blue-Red\nDatabase /casa/host/database is up to date (0.2 s)\nWarning: process \"T1 pipeline 2007\" is deprecated\nMulti-texture present\nfunction glActiveTexture found.\nOpenGL renderer: Mesa Intel(R) UHD Graphics 620 (KBL GT2)\nNumber of texture units: 8\n",
    ),
    (
        "make",
        "[ 10%] Building CXX object src/anatomist/CMakeFiles/anatomist.dir/window/glwidget.cc.o\nIn file included from glwidget.cc:34:\nglwidget.h:88:7: warning: 'void GLWidget::paintGL()' can be marked override [-Wsuggest-override]\n   88 |  void paintGL(); // cannot open display lists here\n[ 98%] Linking CXX shared library ../lib/libanatomist.so\n/usr/bin/ld: warning: libGLdispatch.so.0, needed by libGL.so, not found (try using -rpath or -rpath-link)\nmake[2]: warning:  Clock skew detected.  Your build may be incomplete.\nmake: Nothing to be done for 'all'.\n",
    ),
    (
        "an apptainer run that works",
        "INFO:    Detected apptainer user configuration directory\nINFO:    underlay of /etc/localtime required more than 50 (71) bind mounts\nWARNING: Skipping mount /etc/hosts [binds]: /etc/hosts doesn't exist in container\nINFO:    Terminating fuse-overlayfs after timeout\nINFO:    Timeouts can be caused by a running background process\nINFO:    fuse: mounted\n",
    ),
    (
        "nvidia-smi",
        "+---------------------------------------------------------------------------------------+\n| NVIDIA-SMI 535.161.08             Driver Version: 535.161.08   CUDA Version: 12.2     |\n|-----------------------------------------+----------------------+----------------------+\n| GPU  Name                 Persistence-M | Bus-Id        Disp.A | Volatile Uncorr. ECC |\n|   0  NVIDIA RTX A2000               Off | 00000000:01:00.0  On |                  Off |\n+-----------------------------------------+----------------------+----------------------+\nNVML library version: 535.161\n",
    ),
    (
        "an installation with apt",
        "Reading package lists...\nThe following NEW packages will be installed:\n  apptainer fuse3 libfuse3-3 squashfuse uidmap\nSelecting previously unselected package fuse3.\nSetting up fuse3 (3.14.0-4) ...\nupdate-initramfs: Generating /boot/initrd.img-6.1.0-18-amd64\nW: Possible missing firmware /lib/firmware/i915/dg2_guc_70.bin for module i915\nDKMS: install completed.\n",
    ),
    (
        "prose",
        "The X server wants a cookie, and a display that cannot be opened is the usual symptom.\nWhen no driver matches, Mesa falls back to software rendering, which is slow and not broken.\nA user without an agent sees that ssh asks for keys; a GLX error then follows from the driver.\n1. **a-case** the user reads `No matching fbConfigs or visuals found` on the terminal | NVIDIA | use nv | `failed to load driver: swrast` follows\n| `couldn't find RGB GLX visual or fbconfig` | no GLX | see `ssh -Y` |\n- With an old cookie the server answers `Invalid MIT-MAGIC-COOKIE-1 key`, without one it says something else.\n",
    ),
    (
        "a Python session with other tools",
        "2025-11-23 10:00:01,120 INFO nipype.workflow: [Node] Executing \"bet\" <nipype.interfaces.fsl.preprocess.BET>\n2025-11-23 10:00:02,300 WARNING urllib3.connectionpool: Connection refused, retrying\nPermission denied: '/root/.cache'\nRuntimeWarning: invalid value encountered in true_divide\nls: cannot access 'x.nii': No such file or directory\nInvalid argument\nconnection closed\nKilled\n",
    ),
    (
        "other programs that read JSON",
        "requests.exceptions.JSONDecodeError: Expecting value: line 1 column 1 (char 0)\njupyter: Expecting value: line 1 column 1 (char 0)\nError in settings.json: Expecting ',' delimiter: line 3 column 5 (char 40)\nparse error: Expected another array element at line 1, column 3\nE       json.decoder.JSONDecodeError: Extra data: line 2 column 1 (char 3)\nTypeError: join() argument must be str, bytes, or os.PathLike object, not 'NoneType'\nffmpeg: Invalid container type: mkv\n",
    ),
    (
        "xdpyinfo and xauth",
        "name of display:    :0\nversion number:    11.0\nvendor string:    The X.Org Foundation\nnumber of extensions:    23\n    GLX\n    MIT-SHM\n    SECURITY\n    XTEST\nlaptop/unix:0  MIT-MAGIC-COOKIE-1  0123456789abcdef0123456789abcdef\nxauth:  creating new authority file /home/alice/.Xauthority\n",
    ),
];

#[test]
fn nothing_is_found_where_nothing_is_wrong() {
    for (name, text) in HEALTHY {
        let found = read(text);
        assert!(found.is_empty(), "{name}: {:?}", found.iter().map(|found| (found.pattern.id, &found.excerpt)).collect::<Vec<_>>());
    }
}

#[test]
fn healthy_logs_one_after_the_other_give_nothing_either() {
    let all: String = HEALTHY.iter().map(|(_, text)| *text).collect();
    assert_eq!(read(&all), []);
}
