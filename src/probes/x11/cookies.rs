//! The cookies that this user has for a display, from where sessions really keep them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use casa_doctor_checks::facts::{CookieFile, CookieState, DisplayName, Reach};

use super::connect::Peer;
use crate::crash;
use crate::host::Host;
use crate::xauthority::{self, Entry, Relation};

/// No authority file comes near this size; a larger file is something else.
const FILE_LIMIT: u64 = 1 << 20;
/// How long one authority file may take to be read: a home directory may be on a server that is gone.
const READ_LIMIT: Duration = Duration::from_secs(1);
/// The largest command line of a process that is read.
const COMMAND_LINE_LIMIT: u64 = 64 << 10;
/// How many cookies are tried beside the first: each is a connection.
const TRIES: usize = 8;

/// A file and the cookies in it that may open the display, the likely ones first.
struct Place {
    file: CookieFile,
    cookies: Vec<Entry>,
}

/// What is needed to choose cookies of a display.
pub(super) struct Question<'a> {
    /// The machine.
    pub(super) host: &'a Arc<dyn Host>,
    /// The display.
    pub(super) display: &'a DisplayName,
    /// This machine's name.
    pub(super) hostname: &'a str,
    /// Who is at the other end; `None` when nobody was reached.
    pub(super) peer: Option<Peer>,
    /// When the probe must have ended.
    pub(super) deadline: Instant,
}

/// The places where cookies may be, in the order in which they are tried. The first is the only one that programs look at.
pub(super) struct Wallet<'a> {
    question: Question<'a>,
    places: Vec<Place>,
    reader: Option<Reader>,
}

/// What an authority file holds, and who owns it.
type Read = (io::Result<Vec<u8>>, Option<u32>);

/// A thread that reads files, one after another. One that hangs keeps it; another one is started for the next file then.
struct Reader {
    wanted: Sender<PathBuf>,
    read: Receiver<Read>,
}

impl Reader {
    fn start(host: &Arc<dyn Host>) -> Self {
        let (host, (wanted, paths), (answer, read)) = (Arc::clone(host), mpsc::channel::<PathBuf>(), mpsc::channel());
        thread::spawn(crash::shared(move || {
            for path in paths {
                let owner = host.metadata(&path).ok().filter(|_| cfg!(unix)).map(|metadata| metadata.uid);
                // Nobody may be listening any more when a file that hung can be read.
                drop(answer.send((host.read(&path, FILE_LIMIT), owner)));
            }
        }));
        Self { wanted, read }
    }

    fn read(&self, path: &Path, deadline: Instant) -> Option<Read> {
        self.wanted.send(path.to_owned()).ok()?;
        self.read.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()
    }
}

impl<'a> Wallet<'a> {
    /// Reads what programs read: the file that XAUTHORITY names, else ~/.Xauthority (libXau, `XauFileName`, for which a variable that
    /// is set and empty names a file, too). Both are looked at, so that a variable that leads away from a good file can be told.
    pub(super) fn open(question: Question<'a>) -> Self {
        let mut wallet = Self { question, places: Vec::new(), reader: None };
        if let Some(path) = wallet.question.host.env("XAUTHORITY") {
            wallet.add(path.into(), "XAUTHORITY");
        }
        if let Some(home) = wallet.question.host.identity().home {
            wallet.add(home.join(".Xauthority"), "~/.Xauthority");
        }
        wallet
    }

    /// The cookie that a program would send, with the number of its place.
    pub(super) fn first(&self) -> Option<(usize, Entry)> {
        let place = self.places.first()?;
        let matching = matches!(place.file.state, CookieState::Entries { matching: 1.., .. });
        place.cookies.first().filter(|_| matching).map(|entry| (0, entry.clone()))
    }

    /// Looks where desktops keep the cookie of this user's own session. What is not there is not told.
    pub(super) fn look_further(&mut self) {
        if self.question.display.reach == Reach::Remote || !cfg!(unix) {
            return;
        }
        let host = Arc::clone(self.question.host);
        let Some(uid) = host.identity().uid else { return };
        let runtime = PathBuf::from(format!("/run/user/{uid}"));
        self.add_present(runtime.join("gdm/Xauthority"), "gdm");
        for (directory, prefix, source) in [
            (runtime.as_path(), ".mutter-Xwaylandauth.", "mutter"),
            (runtime.as_path(), "xauth_", "kwin"),
            (Path::new("/tmp"), "xauth_", "sddm"),
        ] {
            for name in host.read_dir(directory).unwrap_or_default() {
                let path = directory.join(&name);
                let ours = name.to_string_lossy().starts_with(prefix);
                if ours && host.symlink_metadata(&path).is_ok_and(|metadata| metadata.uid == uid) {
                    self.add_present(path, source);
                }
            }
        }
        for path in server_arguments(host.as_ref(), self.question.display.number, uid, self.question.deadline) {
            self.add_present(path, "server-argument");
        }
    }

    /// Every cookie but the first, each once, with the number of its place: those that match, then those under another
    /// machine's name.
    pub(super) fn others(&self) -> Vec<(usize, Entry)> {
        let first = self.first().map(|(_, entry)| entry);
        let all = self.places.iter().enumerate().flat_map(|(index, place)| place.cookies.iter().map(move |entry| (index, entry)));
        let (matching, others): (Vec<_>, Vec<_>) = all.partition(|(_, entry)| self.relation(entry) == Relation::Matches);
        let mut chosen: Vec<(usize, Entry)> = Vec::new();
        for (index, entry) in matching.into_iter().chain(others) {
            let known = first.iter().chain(chosen.iter().map(|(_, entry)| entry)).any(|known| known.data == entry.data);
            if !known && chosen.len() < TRIES {
                chosen.push((index, entry.clone()));
            }
        }
        chosen
    }

    /// The path of a place.
    pub(super) fn path(&self, place: usize) -> Option<PathBuf> {
        self.places.get(place).map(|place| place.file.path.clone())
    }

    /// Notes what the server thought of a cookie of a place. One that was accepted is not spoilt by another that was not.
    pub(super) fn judge(&mut self, place: usize, accepted: bool) {
        if let Some(place) = self.places.get_mut(place) {
            place.file.accepted = Some(accepted || place.file.accepted == Some(true));
        }
    }

    /// Takes back an acceptance: the server lets everybody of this user in, so that nothing was shown about the cookie.
    pub(super) fn unjudge(&mut self) {
        for place in &mut self.places {
            place.file.accepted = place.file.accepted.filter(|accepted| !accepted);
        }
    }

    /// The places, without any cookie.
    pub(super) fn into_files(self) -> Vec<CookieFile> {
        self.places.into_iter().map(|place| place.file).collect()
    }

    fn add_present(&mut self, path: PathBuf, source: &str) {
        self.add(path, source);
        if self.places.last().is_some_and(|place| place.file.state == CookieState::Missing) {
            self.places.pop();
        }
    }

    fn add(&mut self, path: PathBuf, source: &str) {
        if self.places.iter().any(|place| place.file.path == path) {
            return;
        }
        let reader = self.reader.take().unwrap_or_else(|| Reader::start(self.question.host));
        let (read, owner) = match reader.read(&path, self.question.deadline.min(Instant::now() + READ_LIMIT)) {
            Some(answer) => {
                self.reader = Some(reader);
                answer
            }
            None => (Err(io::Error::other("reading it did not end in time")), None),
        };
        let (state, cookies) = self.sort(read);
        self.places.push(Place { file: CookieFile { path, source: source.to_owned(), state, accepted: None, owner }, cookies });
    }

    fn sort(&self, read: io::Result<Vec<u8>>) -> (CookieState, Vec<Entry>) {
        let bytes = match read {
            Ok(bytes) => bytes,
            Err(error) => return (unread(&error), Vec::new()),
        };
        if bytes.is_empty() {
            return (CookieState::Empty, Vec::new());
        }
        let Some(entries) = xauthority::parse(&bytes) else { return (CookieState::Malformed, Vec::new()) };
        let total = entries.len();
        let usable = |wanted| {
            let entries = entries.iter().filter(|entry| entry.is_magic_cookie());
            entries.filter(|entry| self.relation(entry) == wanted).cloned().collect::<Vec<_>>()
        };
        let (mut cookies, others) = (usable(Relation::Matches), usable(Relation::OtherHost));
        let state = CookieState::Entries { total, matching: cookies.len(), other_host: others.len() };
        cookies.extend(others);
        (state, cookies)
    }

    fn relation(&self, entry: &Entry) -> Relation {
        let number = self.question.display.number;
        let here = match self.question.peer {
            Some(peer) => peer == Peer::Here,
            None => self.question.display.reach != Reach::Remote,
        };
        let addresses: Vec<_> = match self.question.peer {
            Some(Peer::At(address)) => vec![address],
            _ => Vec::new(),
        };
        if !here && entry.is_local() {
            return Relation::Foreign;
        }
        entry.relation(number, self.question.hostname.as_bytes(), &addresses)
    }
}

/// Why a file could not be read.
fn unread(error: &io::Error) -> CookieState {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => CookieState::Missing,
        io::ErrorKind::FileTooLarge => CookieState::Malformed,
        _ => CookieState::Unreadable { reason: error.to_string().split(" (os error").next().unwrap_or_default().to_owned() },
    }
}

/// The authority files that running X servers of this user were started with, for this display.
///
/// A server that was started with `-displayfd`, as by GDM, does not have its number on its command line; the numbers in its
/// file decide then.
fn server_arguments(host: &dyn Host, number: u16, uid: u32, deadline: Instant) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for name in host.read_dir(Path::new("/proc")).unwrap_or_default() {
        if Instant::now() >= deadline {
            break;
        }
        let process = Path::new("/proc").join(&name);
        let is_process = name.to_string_lossy().bytes().all(|byte| byte.is_ascii_digit());
        if !is_process || host.metadata(&process).map_or(true, |metadata| metadata.uid != uid) {
            continue;
        }
        let line = host.read(&process.join("cmdline"), COMMAND_LINE_LIMIT).unwrap_or_default();
        paths.extend(authority_argument(&line, number));
    }
    paths
}

/// The value of `-auth` in the command line of an X server, if it is one and may be that of the display.
fn authority_argument(line: &[u8], number: u16) -> Option<PathBuf> {
    let arguments: Vec<_> = line.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
    let program = arguments.first()?.rsplit('/').next()?.to_owned();
    if !program.starts_with('X') && !matches!(program.as_str(), "nxagent" | "x2goagent") {
        return None;
    }
    let mut numbers = arguments.iter().filter_map(|argument| argument.strip_prefix(':')?.parse::<u16>().ok()).peekable();
    if numbers.peek().is_some() && !numbers.any(|other| other == number) {
        return None;
    }
    let place = arguments.iter().position(|argument| argument == "-auth")?;
    arguments.get(place + 1).map(|path| PathBuf::from(path.as_ref())).filter(|path| path.is_absolute())
}

/// The bytes of an entry of an authority file, for tests.
#[cfg(test)]
pub(super) fn entry(family: u16, address: &[u8], number: &[u8], fill: u8) -> Vec<u8> {
    let mut bytes = family.to_be_bytes().to_vec();
    for string in [address, number, b"MIT-MAGIC-COOKIE-1", &[fill; 16]] {
        bytes.extend(u16::try_from(string.len()).unwrap().to_be_bytes());
        bytes.extend(string);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Identity, RecordedHost, forward};

    fn local(machine: &str, number: &str, fill: u8) -> Vec<u8> {
        entry(0x100, machine.as_bytes(), number.as_bytes(), fill)
    }

    fn display(text: &str) -> DisplayName {
        super::super::display::parse(text, "pc", |_| false).unwrap()
    }

    fn wallet<'a>(host: &'a Arc<dyn Host>, display: &'a DisplayName, peer: Option<Peer>) -> Wallet<'a> {
        let deadline = Instant::now() + Duration::from_secs(5);
        Wallet::open(Question { host, display, hostname: "pc", peer, deadline })
    }

    fn states(host: RecordedHost) -> Vec<(String, CookieState)> {
        let host: Arc<dyn Host> = Arc::new(host);
        let display = display(":0");
        let mut wallet = wallet(&host, &display, Some(Peer::Here));
        wallet.look_further();
        wallet.into_files().into_iter().map(|file| (file.source, file.state)).collect()
    }

    #[test]
    fn every_state_of_a_file_is_told_apart() {
        let home = |content: &[u8]| states(RecordedHost::new().file("/home/anna/.Xauthority", content)).remove(0).1;
        assert_eq!(states(RecordedHost::new()), [("~/.Xauthority".to_owned(), CookieState::Missing)]);
        assert_eq!(home(b""), CookieState::Empty);
        assert_eq!(home(b"not one"), CookieState::Malformed);
        let entries = [local("pc", "0", 1), local("old-name", "0", 2), local("pc", "1", 3), entry(0xffff, b"", b"", 4)].concat();
        assert_eq!(home(&entries), CookieState::Entries { total: 4, matching: 2, other_host: 1 });
        let unreadable = states(RecordedHost::new().file_mode("/home/anna/.Xauthority", "x", 0o000)).remove(0).1;
        assert!(matches!(unreadable, CookieState::Unreadable { .. }), "{unreadable:?}");
    }

    /// A machine with one file on a dead network disk.
    struct DeadDisk(RecordedHost);

    impl Host for DeadDisk {
        forward!(|host| &host.0 => env, env_names, identity, current_dir, open, metadata, symlink_metadata, read_link, canonicalize, read_dir, access, free_space, run, which, lookup, connect, now, own_program);

        fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
            if path == Path::new("/net/cookies") {
                thread::sleep(Duration::from_secs(60));
            }
            self.0.read(path, limit)
        }
    }

    #[test]
    fn a_file_that_hangs_holds_up_no_other_one() {
        let host = RecordedHost::new().env("XAUTHORITY", "/net/cookies").file("/home/anna/.Xauthority", local("pc", "0", 1));
        let host: Arc<dyn Host> = Arc::new(DeadDisk(host));
        let display = display(":0");
        let started = Instant::now();
        let wallet = wallet(&host, &display, Some(Peer::Here));
        assert!(started.elapsed() < 2 * READ_LIMIT);
        assert_eq!(wallet.others().len(), 1);
        let states: Vec<_> = wallet.into_files().into_iter().map(|file| file.state).collect();
        assert!(matches!(&states[0], CookieState::Unreadable { reason } if reason.contains("in time")), "{states:?}");
        assert_eq!(states[1], CookieState::Entries { total: 1, matching: 1, other_host: 0 });
    }

    #[test]
    fn xauthority_hides_the_file_in_the_home_directory_from_programs() {
        let host: Arc<dyn Host> =
            Arc::new(RecordedHost::new().env("XAUTHORITY", "/gone").file("/home/anna/.Xauthority", local("pc", "0", 1)));
        let display = display(":0");
        let wallet = wallet(&host, &display, Some(Peer::Here));
        assert!(wallet.first().is_none(), "a program would send no cookie");
        let others = wallet.others();
        assert_eq!(others.len(), 1);
        assert_eq!(wallet.path(others[0].0).unwrap(), Path::new("/home/anna/.Xauthority"));
    }

    #[test]
    fn sessions_keep_cookies_in_many_places() {
        let runtime = |name: &str| format!("/run/user/1000/{name}");
        let host = RecordedHost::new()
            .file(runtime("gdm/Xauthority"), local("pc", "0", 1))
            .file(runtime(".mutter-Xwaylandauth.Q1"), local("pc", "0", 2))
            .file(runtime("xauth_abc"), local("pc", "0", 3))
            .file("/tmp/xauth_def", local("pc", "0", 4))
            .file("/home/anna/.vnc/auth", local("pc", "0", 5))
            .file("/proc/77/cmdline", "/usr/bin/Xvnc\0:0\0-auth\0/home/anna/.vnc/auth\0")
            .file("/proc/78/cmdline", "/usr/bin/Xvnc\0:1\0-auth\0/home/anna/.vnc/other\0");
        let sources: Vec<_> = states(host).into_iter().map(|(source, _)| source).collect();
        assert_eq!(sources, ["~/.Xauthority", "gdm", "mutter", "kwin", "sddm", "server-argument"]);
    }

    #[test]
    fn files_of_other_users_are_left_alone() {
        // The files of a recorded machine belong to user 1000.
        let identity = Identity { uid: Some(1001), home: Some("/home/bob".into()), ..Identity::default() };
        let host = RecordedHost::new()
            .identity(identity)
            .file("/tmp/xauth_def", local("pc", "0", 4))
            .file("/proc/77/cmdline", "Xvnc\0:0\0-auth\0/tmp/x\0");
        assert_eq!(states(host).len(), 1);
    }

    #[test]
    fn cookies_are_tried_once_and_those_under_another_name_last() {
        let home = [local("old-name", "0", 2), local("pc", "0", 1)].concat();
        let host: Arc<dyn Host> = Arc::new(
            RecordedHost::new()
                .file("/home/anna/.Xauthority", home)
                .file("/run/user/1000/gdm/Xauthority", [local("pc", "0", 1), local("pc", "0", 3)].concat()),
        );
        let display = display(":0");
        let mut wallet = wallet(&host, &display, Some(Peer::Here));
        wallet.look_further();
        assert_eq!(wallet.first().unwrap().1.data.expose(), [1; 16]);
        let others: Vec<_> = wallet.others().iter().map(|(place, entry)| (*place, entry.data.expose()[0])).collect();
        assert_eq!(others, [(1, 3), (0, 2)]);
    }

    #[test]
    fn another_machine_is_matched_by_its_address() {
        let home = [local("pc", "0", 1), entry(0, &[10, 0, 0, 9], b"0", 2)].concat();
        let host: Arc<dyn Host> = Arc::new(RecordedHost::new().file("/home/anna/.Xauthority", home));
        let display = display("other:0");
        let wallet = wallet(&host, &display, Some(Peer::At("10.0.0.9".parse().unwrap())));
        assert_eq!(wallet.first().unwrap().1.data.expose(), [2; 16]);
        assert!(wallet.others().is_empty());
    }

    #[test]
    fn the_argument_of_a_server_is_found() {
        let find = |line: &str| authority_argument(line.replace(' ', "\0").as_bytes(), 3).map(|path| path.display().to_string());
        assert_eq!(find("/usr/bin/Xwayland :3 -rootless -auth /run/a -core").as_deref(), Some("/run/a"));
        assert_eq!(find("/usr/lib/xorg/Xorg vt2 -displayfd 3 -auth /run/b").as_deref(), Some("/run/b"));
        assert_eq!(find("/usr/bin/x2goagent -auth /home/a/.Xauthority :3").as_deref(), Some("/home/a/.Xauthority"));
        assert_eq!(find("Xvnc :4 -auth /run/c"), None);
        assert_eq!(find("editor :3 -auth /run/d"), None);
        assert_eq!(find("Xvfb :3 -auth"), None);
        assert_eq!(find("Xvfb :3 -auth relative"), None);
    }
}
