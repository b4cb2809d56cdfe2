//! The batch scheduler's job around this process.

use std::path::Path;

use casa_doctor_checks::facts::Job;

use crate::host::Host;

/// Schedulers, the variable by which a job of each is known, and those that name its cards.
const SCHEDULERS: [(&str, &str, &[&str]); 5] = [
    ("Slurm", "SLURM_JOB_ID", &["SLURM_STEP_GPUS", "SLURM_JOB_GPUS", "GPU_DEVICE_ORDINAL"]),
    ("PBS", "PBS_JOBID", &[]),
    ("LSF", "LSB_JOBID", &["LSB_GPU_ALLOC"]),
    ("OAR", "OAR_JOB_ID", &[]),
    ("Grid Engine", "JOB_ID", &["SGE_HGR_gpu"]),
];

/// A list of cards is short.
const LONGEST: usize = 200;

/// The job, told by the variables that schedulers set.
pub(super) fn job(host: &dyn Host) -> Option<Job> {
    let (scheduler, _, cards) = SCHEDULERS.iter().find(|(scheduler, variable, _)| {
        // JOB_ID is too common a name to be believed alone.
        host.env_text(variable).is_some() && (*scheduler != "Grid Engine" || host.env_text("SGE_ROOT").is_some())
    })?;
    let gpus = cards_of_torque(host).or_else(|| cards.iter().find_map(|name| host.env_text(name)));
    let gpus = gpus.or_else(|| host.env_text("CUDA_VISIBLE_DEVICES"));
    Some(Job { scheduler: (*scheduler).to_owned(), gpus: gpus.map(|gpus| gpus.chars().take(LONGEST).collect()) })
}

/// Torque lists the cards in a file, `MACHINE-gpuNUMBER` on each line. Jobs without a card have its name in the variable as well.
fn cards_of_torque(host: &dyn Host) -> Option<String> {
    let file = host.env_text("PBS_GPUFILE")?;
    let text = host.read_text(Path::new(&file), 64 * 1024).ok()?;
    let cards: Vec<&str> = text.lines().filter_map(|line| Some(line.trim().rsplit_once("-gpu")?.1)).collect();
    (!cards.is_empty()).then(|| cards.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::RecordedHost;

    #[test]
    fn jobs_and_their_cards() {
        assert_eq!(job(&RecordedHost::new().env("JOB_ID", "7")), None);
        let slurm = RecordedHost::new().env("SLURM_JOB_ID", "7");
        assert_eq!(job(&slurm), Some(Job { scheduler: "Slurm".into(), gpus: None }));
        let with_card = RecordedHost::new().env("SLURM_JOB_ID", "7").env("SLURM_JOB_GPUS", "2");
        assert_eq!(job(&with_card).unwrap().gpus.as_deref(), Some("2"));
    }

    #[test]
    fn the_file_of_torque_is_no_card() {
        let file = "/var/spool/torque/aux/12.servergpu";
        let torque = || RecordedHost::new().env("PBS_JOBID", "12.server").env("PBS_GPUFILE", file);
        let gpus = |host: RecordedHost| job(&host).unwrap().gpus;
        assert_eq!(gpus(torque()), None);
        assert_eq!(gpus(torque().file(file, "")), None);
        assert_eq!(gpus(torque().file(file, "node-7-gpu1\nnode-7-gpu0\n")).as_deref(), Some("1,0"));
        assert_eq!(gpus(torque().env("CUDA_VISIBLE_DEVICES", "3")).as_deref(), Some("3"));
    }
}
