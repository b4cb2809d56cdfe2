//! What makes stock casa_distro 3.x run in the decided mode, as far as its configuration can.
//!
//! 3.x has no key for the OpenGL mode: it removes an exact `--nv` from `container_options` and `SOFTWARE_OPENGL` from the
//! environment before it chooses a mode by itself. `--nv=true` and other variables get through.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use casa_doctor_checks::finding::{Change, Edit};
use serde_json::Value;

use super::{BECAUSE, Decision, KEY, Record};
use crate::fix::json_pointer;
use crate::recommend::OpenGl;

/// The option that brings the NVIDIA driver in and that casa_distro does not take away.
const NV: &str = "--nv=true";
/// What software OpenGL needs in an image with `/usr/local/lib/mesa`: a libGL that draws by itself and hands over pictures. It
/// is what `opengl=software` does.
const SOFTWARE_MESA: [(&str, &str); 2] = [("LD_LIBRARY_PATH", "/usr/local/lib/mesa"), ("XLIB_SKIP_ARGB_VISUALS", "1")];
/// What it needs in any other image: the software driver of the image's own Mesa, also where the X server names another vendor.
const SOFTWARE_DRIVER: [(&str, &str); 2] = [("LIBGL_ALWAYS_SOFTWARE", "1"), ("__GLX_VENDOR_LIBRARY_NAME", "mesa")];
/// Where an option of ours is remembered.
const NV_PLACE: &str = "/container_options/-";

/// What the settings for stock casa_distro depend on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stock<'a> {
    /// The environment's configuration file.
    pub(crate) file: &'a Path,
    /// Its top-level object.
    pub(crate) config: &'a Value,
    /// The user's configuration file and its top-level object, when there is one: it overrides the environment's.
    pub(crate) user: Option<(&'a Path, &'a Value)>,
    /// The new decision.
    pub(crate) decision: &'a Decision,
    /// Whether the image has `/usr/local/lib/mesa`, whose libGL needs no GLX at all; `None` when that is not known.
    pub(crate) software_mesa: Option<bool>,
    /// Whether casa_distro's `auto` chooses nv on this machine by itself.
    pub(crate) auto_is_nv: bool,
    /// Why `--nv` alone, without what `casa-doctor run` does beside it, is not enough here.
    pub(crate) nv_alone_fails: Option<&'a str>,
}

/// Why casa_distro cannot be made to run in the mode by its configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Clash {
    /// A setting of the user's own would have to be overwritten.
    #[error("{}: \"{key}\" is {found}, which casa-doctor does not overwrite; without {wanted} casa_distro by itself does not use this OpenGL mode, but \"casa-doctor run\" does", file.display())]
    Setting {
        /// The file in which it stands.
        file: PathBuf,
        /// Its JSON pointer.
        key: String,
        /// What it is, in words; never its value.
        found: &'static str,
        /// The setting that the mode needs.
        wanted: String,
    },
    /// What the mode needs besides its option, casa_distro does not do.
    #[error("casa_distro by itself cannot be set to the mode nv, since {0}; \"casa-doctor run\" deals with it")]
    NotEnough(String),
}

/// The edits that make stock casa_distro run in the mode of the decision, and take back earlier ones of ours.
///
/// Where recorded decisions of this environment disagree, only the latter: its configuration is one for all of them. None in an
/// environment that casa_distro cannot start (Docker, VirtualBox): the options there are not Apptainer's.
pub(crate) fn stock_edits(stock: &Stock<'_>) -> Result<Vec<Edit>, Clash> {
    let existing = stock.config.get(KEY);
    let record = Record::read(existing);
    let kind = stock.user.and_then(|(_, user)| user.get("container_type")).or_else(|| stock.config.get("container_type"));
    let is_stock_s = kind.and_then(Value::as_str).is_none_or(|kind| matches!(kind, "singularity" | "apptainer" | "apptainer_pixi"));
    // What another version recorded may be the reason for what is set.
    if record.has_unread_decisions || !is_stock_s {
        return Ok(Vec::new());
    }
    let mut settings = Settings { stock, ours: &record.set_for_stock, keep: BTreeMap::new(), edits: Vec::new() };
    match record.agreed_mode(stock.decision) {
        Some(OpenGl::Software) => settings.software()?,
        Some(OpenGl::Nv) => settings.nv()?,
        Some(OpenGl::Container | OpenGl::None) | None => {}
    }
    settings.take_back();
    let Settings { keep, mut edits, .. } = settings;
    if keep != record.set_for_stock {
        let change = if keep.is_empty() { Change::Remove } else { Change::Set { to: serde_json::json!(keep) } };
        edits.push(edit(stock.file, json_pointer([KEY, "set_for_stock"]), change));
    }
    Ok(edits)
}

/// A configuration without what we set for stock casa_distro: in a launch of ours the mode decides alone, whatever another one once
/// needed.
pub(crate) fn without_stock(config: &mut Value) {
    for (key, ours) in Record::read(config.get(KEY)).set_for_stock {
        let (parent, name) = key.rsplit_once('/').unwrap_or(("", &key));
        match config.pointer_mut(parent) {
            Some(Value::Object(members)) if members.get(name).is_some_and(|now| *now == ours.as_str()) => {
                drop(members.shift_remove(name));
            }
            Some(Value::Array(options)) if name == "-" => {
                if let Some(index) = options.iter().rposition(|option| *option == ours.as_str()) {
                    drop(options.remove(index));
                }
            }
            _ => {}
        }
    }
}

/// Settings being worked out.
struct Settings<'a> {
    stock: &'a Stock<'a>,
    /// What we set earlier.
    ours: &'a BTreeMap<String, String>,
    /// What is ours afterwards.
    keep: BTreeMap<String, String>,
    edits: Vec<Edit>,
}

impl Settings<'_> {
    fn software(&mut self) -> Result<(), Clash> {
        let variables: &[&[(&str, &str)]] = match self.stock.software_mesa {
            Some(true) => &[&SOFTWARE_MESA],
            Some(false) => &[&SOFTWARE_DRIVER],
            // Each does nothing where the other one is what the image needs.
            None => &[&SOFTWARE_MESA, &SOFTWARE_DRIVER],
        };
        variables.iter().copied().flatten().try_for_each(|(name, value)| self.variable(name, value))
    }

    /// Sets a variable of `gui_env`, unless it has that value already.
    fn variable(&mut self, name: &str, value: &str) -> Result<(), Clash> {
        let Stock { file, config, user, .. } = *self.stock;
        let key = json_pointer(["gui_env", name]);
        let clash = |file: &Path, key: &str, found| Clash::Setting {
            file: file.to_owned(),
            key: key.to_owned(),
            found,
            wanted: format!("\"{name}\": \"{value}\" in \"gui_env\""),
        };
        if config.get("gui_env").is_some_and(|gui_env| !gui_env.is_object()) {
            return Err(clash(file, "/gui_env", "not an object"));
        }
        let own = config.pointer(&key);
        let is_ours = own.is_some_and(|own| self.ours.get(&key).is_some_and(|ours| own == ours));
        // The strongest first: the user's file overrides the environment's, and gui_env overrides env. The names of casa-distro
        // 2.x count too, since they may be about to become those of 3.x.
        let place = |file: &'_ Path, config: &Value, parent: &str| {
            let key = json_pointer([parent, name]);
            config.pointer(&key).map(|found| (file.to_owned(), key, found.clone()))
        };
        let of_user = |parent| user.and_then(|(file, user)| place(file, user, parent));
        let here = |parent| place(file, config, parent);
        let strongest = of_user("gui_env")
            .or_else(|| here("gui_env").filter(|_| !is_ours))
            .or_else(|| here("container_gui_env"))
            .or_else(|| of_user("env"))
            .or_else(|| here("env"))
            .or_else(|| here("container_env"));
        match strongest {
            Some((_, _, found)) if found == value => {}
            Some((file, key, _)) => return Err(clash(&file, &key, "set to something else")),
            None => {
                if own.is_none_or(|own| own != value) {
                    self.edits.push(edit(file, key.clone(), Change::Set { to: value.into() }));
                }
                self.keep.insert(key, value.to_owned());
            }
        }
        Ok(())
    }

    /// Adds the option for NVIDIA, where casa_distro does not choose it by itself. One that is there stays: another machine of this
    /// environment may need it.
    fn nv(&mut self) -> Result<(), Clash> {
        let Stock { file, config, user, auto_is_nv, .. } = *self.stock;
        let options = config.get("container_options");
        let is_there = [options, user.and_then(|(_, user)| user.get("container_options"))]
            .into_iter()
            .flatten()
            .any(|options| position(options, NV).is_some());
        if is_there {
            if self.ours.contains_key(NV_PLACE) {
                self.keep.insert(NV_PLACE.to_owned(), NV.to_owned());
            }
        } else if let Some(why) = self.stock.nv_alone_fails.filter(|_| !auto_is_nv) {
            return Err(Clash::NotEnough(why.to_owned()));
        } else if !auto_is_nv {
            if options.is_some_and(|options| !options.is_array()) {
                let wanted = format!("\"{NV}\" in \"container_options\"");
                return Err(Clash::Setting {
                    file: file.to_owned(),
                    key: "/container_options".into(),
                    found: "not a list",
                    wanted,
                });
            }
            self.edits.push(edit(file, "/container_options".into(), Change::Append { value: NV.into() }));
            self.keep.insert(NV_PLACE.to_owned(), NV.to_owned());
        }
        Ok(())
    }

    /// Removes what we set earlier and do not need now. What somebody changed since is his.
    fn take_back(&mut self) {
        let Stock { file, config, .. } = *self.stock;
        let is_known = |key: &str| {
            let mut variables = SOFTWARE_MESA.iter().chain(&SOFTWARE_DRIVER);
            key == NV_PLACE || variables.any(|(name, _)| json_pointer(["gui_env", name]) == key)
        };
        for (key, value) in self.ours {
            if self.keep.contains_key(key) {
                continue;
            }
            if !is_known(key) {
                // Of another version: it knows what to do with it.
                self.keep.insert(key.clone(), value.clone());
                continue;
            }
            let place = match key.strip_suffix("/-") {
                Some(list) => {
                    let index = config.pointer(list).and_then(|options| position(options, value));
                    index.map(|index| format!("{list}/{index}"))
                }
                None => config.pointer(key).filter(|now| *now == value.as_str()).map(|_| key.clone()),
            };
            if let Some(place) = place {
                self.edits.push(edit(file, place, Change::Remove));
            }
        }
    }
}

/// Where an option stands in a list; the last place, since ours was added at the end.
fn position(options: &Value, option: &str) -> Option<usize> {
    options.as_array()?.iter().rposition(|known| known == option)
}

fn edit(file: &Path, key: String, change: Change) -> Edit {
    Edit { file: file.to_owned(), key, change, because: BECAUSE.to_owned() }
}
