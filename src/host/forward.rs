//! Passing calls of a [`Host`](super::Host) on to another one.

/// Implements the named methods by calling them on another host: `forward!(|host| host.below => env, read)`.
macro_rules! forward {
    (|$host:ident| $below:expr => $($method:ident),+ $(,)?) => {
        $($crate::host::forward!(@$method, $host, $below);)+
    };
    (@env, $h:ident, $b:expr) => { $crate::host::forward!(@@ $h, $b, env(name: &str) -> Option<std::ffi::OsString>); };
    (@env_names, $h:ident, $b:expr) => { $crate::host::forward!(@@ $h, $b, env_names() -> Vec<std::ffi::OsString>); };
    (@identity, $h:ident, $b:expr) => { $crate::host::forward!(@@ $h, $b, identity() -> $crate::host::Identity); };
    (@current_dir, $h:ident, $b:expr) => { $crate::host::forward!(@@ $h, $b, current_dir() -> std::io::Result<std::path::PathBuf>); };
    (@read, $h:ident, $b:expr) => { $crate::host::forward!(@@ $h, $b, read(path: &std::path::Path, limit: u64) -> std::io::Result<Vec<u8>>); };
    (@open, $h:ident, $b:expr) => { $crate::host::forward!(@@ $h, $b, open(path: &std::path::Path) -> std::io::Result<Box<dyn $crate::host::ReadSeek>>); };
    (@metadata, $h:ident, $b:expr) => { $crate::host::forward!(@@ $h, $b, metadata(path: &std::path::Path) -> std::io::Result<$crate::host::Metadata>); };
    (@symlink_metadata, $h:ident, $b:expr) => { $crate::host::forward!(@@ $h, $b, symlink_metadata(path: &std::path::Path) -> std::io::Result<$crate::host::Metadata>); };
    (@read_link, $h:ident, $b:expr) => { $crate::host::forward!(@@ $h, $b, read_link(path: &std::path::Path) -> std::io::Result<std::path::PathBuf>); };
    (@canonicalize, $h:ident, $b:expr) => { $crate::host::forward!(@@ $h, $b, canonicalize(path: &std::path::Path) -> std::io::Result<std::path::PathBuf>); };
    (@read_dir, $h:ident, $b:expr) => { $crate::host::forward!(@@ $h, $b, read_dir(path: &std::path::Path) -> std::io::Result<Vec<std::ffi::OsString>>); };
    (@access, $h:ident, $b:expr) => { $crate::host::forward!(@@ $h, $b, access(path: &std::path::Path, access: $crate::host::Access) -> std::io::Result<()>); };
    (@free_space, $h:ident, $b:expr) => { $crate::host::forward!(@@ $h, $b, free_space(path: &std::path::Path) -> std::io::Result<$crate::host::Space>); };
    (@run, $h:ident, $b:expr) => { $crate::host::forward!(@@ $h, $b, run(command: &$crate::host::Command) -> $crate::host::CommandOutput); };
    (@which, $h:ident, $b:expr) => { $crate::host::forward!(@@ $h, $b, which(program: &std::ffi::OsStr) -> Option<std::path::PathBuf>); };
    (@lookup, $h:ident, $b:expr) => { $crate::host::forward!(@@ $h, $b, lookup(name: &str) -> std::io::Result<Vec<std::net::IpAddr>>); };
    (@connect, $h:ident, $b:expr) => { $crate::host::forward!(@@ $h, $b, connect(address: &$crate::host::Address, limit: std::time::Duration) -> std::io::Result<Box<dyn $crate::host::Stream>>); };
    (@now, $h:ident, $b:expr) => { $crate::host::forward!(@@ $h, $b, now() -> std::time::SystemTime); };
    (@own_program, $h:ident, $b:expr) => { $crate::host::forward!(@@ $h, $b, own_program() -> std::io::Result<std::path::PathBuf>); };
    (@@ $h:ident, $b:expr, $method:ident($($argument:ident: $kind:ty),*) -> $result:ty) => {
        fn $method(&self, $($argument: $kind),*) -> $result {
            let $h = self;
            $crate::host::Host::$method(&*$b, $($argument),*)
        }
    };
}

pub(crate) use forward;
