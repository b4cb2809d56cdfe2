//! The devices of Vulkan.
#![expect(unsafe_code, reason = "Vulkan is a C interface, loaded at run time")]

use std::ffi::{CStr, c_char};

use ash::vk;
use casa_doctor_checks::facts::{GlError, VulkanDevice, VulkanResult};

use super::child::failed;
use crate::probes::child::Trail;

/// Lists the devices.
pub(super) fn probe(trail: &Trail) -> VulkanResult {
    let mut facts = VulkanResult::default();
    facts.error = examine(trail, &mut facts).err();
    facts
}

fn examine(trail: &Trail, facts: &mut VulkanResult) -> Result<(), GlError> {
    trail.at("dlopen libvulkan.so.1");
    // SAFETY: loading runs the loader's constructors, which is the risk that this process exists for.
    let entry = unsafe { ash::Entry::load() }.map_err(|error| failed("dlopen libvulkan.so.1", error))?;
    trail.at("vkEnumerateInstanceVersion");
    // SAFETY: the loader is loaded. One of Vulkan 1.0 does not have this function.
    let loader = unsafe { entry.try_enumerate_instance_version() }.ok().flatten().unwrap_or(vk::API_VERSION_1_0);
    facts.loader_version = Some(version(loader));

    trail.at("vkEnumerateInstanceExtensionProperties");
    // SAFETY: as above.
    let extensions = unsafe { entry.enumerate_instance_extension_properties(None) }.unwrap_or_default();
    let offers = |name: &CStr| extensions.iter().any(|offered| offered.extension_name_as_c_str() == Ok(name));
    let mut wanted: Vec<*const c_char> = Vec::new();
    let mut flags = vk::InstanceCreateFlags::empty();
    // A device that is a layer on something else (MoltenVK) is listed only when this is asked for.
    if offers(vk::KHR_PORTABILITY_ENUMERATION_NAME) {
        wanted.push(vk::KHR_PORTABILITY_ENUMERATION_NAME.as_ptr());
        flags |= vk::InstanceCreateFlags::ENUMERATE_PORTABILITY_KHR;
    }
    // Newer questions can be put through an extension where the loader is of version 1.0.
    let by_extension = loader < vk::API_VERSION_1_1;
    if by_extension && offers(vk::KHR_GET_PHYSICAL_DEVICE_PROPERTIES2_NAME) {
        wanted.push(vk::KHR_GET_PHYSICAL_DEVICE_PROPERTIES2_NAME.as_ptr());
    }
    let application = vk::ApplicationInfo::default().application_name(c"casa-doctor").api_version(if by_extension {
        vk::API_VERSION_1_0
    } else {
        vk::API_VERSION_1_1
    });
    let request = vk::InstanceCreateInfo::default().application_info(&application).enabled_extension_names(&wanted).flags(flags);
    trail.at("vkCreateInstance");
    // SAFETY: everything that the request points to lives during the call.
    let instance = unsafe { entry.create_instance(&request, None) }.map_err(|error| failed("vkCreateInstance", name(error)))?;
    trail.at("vkEnumeratePhysicalDevices");
    // SAFETY: the instance is alive. It is never destroyed: the process ends, and drivers have crashed on the way out.
    let devices = unsafe { instance.enumerate_physical_devices() };
    let devices = devices.map_err(|error| failed("vkEnumeratePhysicalDevices", name(error)))?;
    trail.at("vkGetPhysicalDeviceProperties2");
    facts.devices = devices.into_iter().map(|device| describe(&instance, device, by_extension)).collect();
    Ok(())
}

fn describe(instance: &ash::Instance, device: vk::PhysicalDevice, by_extension: bool) -> VulkanDevice {
    // SAFETY: the device was just listed by the instance.
    let plain = unsafe { instance.get_physical_device_properties(device) };
    let mut facts = VulkanDevice {
        name: text(plain.device_name_as_c_str().ok()).unwrap_or_default(),
        kind: match plain.device_type {
            vk::PhysicalDeviceType::INTEGRATED_GPU => "integrated-gpu",
            vk::PhysicalDeviceType::DISCRETE_GPU => "discrete-gpu",
            vk::PhysicalDeviceType::VIRTUAL_GPU => "virtual-gpu",
            vk::PhysicalDeviceType::CPU => "cpu",
            _ => "other",
        }
        .to_owned(),
        api_version: version(plain.api_version),
        vendor_id: plain.vendor_id,
        device_id: plain.device_id,
        ..VulkanDevice::default()
    };
    // SAFETY: as above.
    let extensions = || unsafe { instance.enumerate_device_extension_properties(device) }.unwrap_or_default();
    let knows_drivers = plain.api_version >= vk::API_VERSION_1_2
        || extensions().iter().any(|offered| offered.extension_name_as_c_str() == Ok(vk::KHR_DRIVER_PROPERTIES_NAME));
    if knows_drivers && !by_extension {
        let mut driver = vk::PhysicalDeviceDriverProperties::default();
        let mut properties = vk::PhysicalDeviceProperties2::default().push_next(&mut driver);
        // SAFETY: as above; the instance has version 1.1, where this function is, and the device knows the structure.
        unsafe { instance.get_physical_device_properties2(device, &mut properties) };
        facts.driver = text(driver.driver_name_as_c_str().ok());
        facts.driver_info = text(driver.driver_info_as_c_str().ok());
        facts.driver_id = Some(format!("{:?}", driver.driver_id));
    }
    facts
}

fn text(string: Option<&CStr>) -> Option<String> {
    string.map(|string| string.to_string_lossy().into_owned()).filter(|string| !string.is_empty())
}

/// `1.3.239`.
fn version(packed: u32) -> String {
    let (major, minor) = (vk::api_version_major(packed), vk::api_version_minor(packed));
    format!("{major}.{minor}.{}", vk::api_version_patch(packed))
}

/// The result in the words of the specification, such as `ERROR_INCOMPATIBLE_DRIVER`: no driver was found.
fn name(result: vk::Result) -> String {
    format!("{result:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_and_drivers_have_the_names_of_the_specification() {
        assert_eq!(name(vk::Result::ERROR_INCOMPATIBLE_DRIVER), "ERROR_INCOMPATIBLE_DRIVER");
        assert_eq!(format!("{:?}", vk::DriverId::MESA_LLVMPIPE), "MESA_LLVMPIPE");
        assert_eq!(version(vk::make_api_version(0, 1, 3, 239)), "1.3.239");
    }
}
