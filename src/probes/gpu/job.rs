//! The batch scheduler's job around this process.

use casa_doctor_checks::facts::Job;

use crate::host::Host;

/// Schedulers, the variable by which a job of each is known, and those that name its cards.
const SCHEDULERS: [(&str, &str, &[&str]); 5] = [
    ("Slurm", "SLURM_JOB_ID", &["SLURM_STEP_GPUS", "SLURM_JOB_GPUS", "GPU_DEVICE_ORDINAL"]),
    ("PBS", "PBS_JOBID", &["PBS_GPUFILE"]),
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
    let gpus = cards.iter().copied().chain(["CUDA_VISIBLE_DEVICES"]).find_map(|name| host.env_text(name));
    Some(Job { scheduler: (*scheduler).to_owned(), gpus: gpus.map(|gpus| gpus.chars().take(LONGEST).collect()) })
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
}
