//! The checksum of an image, on request only: a large image takes seconds, so no probe limit holds for it.

use std::io::{self, Read, Seek, SeekFrom};

use casa_doctor_checks::facts::Image;
use md5::{Digest, Md5};

use crate::host::Host;

/// Reads the whole image that is used and notes its MD5, or why it has none. `tell` is given each new percent.
pub(crate) fn checksum(host: &dyn Host, image: &mut Image, mut tell: impl FnMut(u64)) {
    let Some(path) = image.used.clone() else { return };
    match read(host, &path, &mut tell) {
        Ok(md5) => image.md5 = Some(md5),
        Err(error) => drop(image.unknown.insert("md5".to_owned(), format!("{} cannot be read: {error}", path.display()))),
    }
    crate::output::progress_done();
}

fn read(host: &dyn Host, path: &std::path::Path, tell: &mut impl FnMut(u64)) -> io::Result<String> {
    let mut file = host.open(path)?;
    let size = file.seek(SeekFrom::End(0))?.max(1);
    file.seek(SeekFrom::Start(0))?;
    let (mut hash, mut done, mut percent) = (Md5::new(), 0_u64, 0);
    let mut buffer = vec![0; 1 << 20];
    loop {
        let length = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hash.update(&buffer[..length]);
        done += length as u64;
        if done * 100 / size > percent {
            percent = done * 100 / size;
            tell(percent);
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::RecordedHost;

    #[test]
    fn the_checksum_is_that_of_md5sum() {
        let host = RecordedHost::new().file("/i/x.sif", "hello\n");
        let mut image = Image { used: Some("/i/x.sif".into()), ..Image::default() };
        let mut told = Vec::new();
        checksum(&host, &mut image, |percent| told.push(percent));
        assert_eq!(image.md5.as_deref(), Some("b1946ac92492d2347c6235b4d2611184"));
        assert_eq!(told, [100]);
        let mut missing = Image { used: Some("/i/y.sif".into()), ..Image::default() };
        checksum(&host, &mut missing, |_| ());
        assert!(missing.md5.is_none() && missing.unknown.contains_key("md5"));
    }
}
