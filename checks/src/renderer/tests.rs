use super::*;

/// Renderer, vendor, version, class, family: strings that real drivers give, of each kind that is known.
type Sample = (&'static str, &'static str, &'static str, RendererClass, Option<Family>);

#[rustfmt::skip]
const SAMPLES: &[Sample] = {
    use Family::*;
    use RendererClass::*;
    &[
        // The processor.
        ("llvmpipe (LLVM 15.0.6, 256 bits)", "Mesa/X.org", "4.5 (Compatibility Profile) Mesa 22.3.6", Software, Some(Llvmpipe)),
        ("llvmpipe (LLVM 11.0.1, 256 bits)", "Mesa/X.org", "3.1 Mesa 20.3.5", Software, Some(Llvmpipe)),
        ("softpipe", "Mesa", "3.3 (Compatibility Profile) Mesa 22.3.6", Software, Some(Softpipe)),
        ("swrast", "Mesa", "", Software, Some(MesaClassic)),
        ("kms_swrast", "Mesa", "", Software, Some(MesaClassic)),
        ("Software Rasterizer", "Mesa Project", "2.1 Mesa 18.3.6", Software, Some(MesaClassic)),
        ("Mesa X11", "Brian Paul", "2.1 Mesa 7.5", Software, Some(MesaXlib)),
        ("Mesa OffScreen", "Mesa Project", "2.1 Mesa 11", Software, Some(MesaXlib)),
        ("SWR (LLVM 11.0.0, 256 bits)", "Intel Corporation", "3.3 Mesa 20.3.5", Software, Some(Swr)),
        ("Gallium 0.4 on SWR (LLVM 3.9, 256 bits)", "Intel Corporation", "3.3 Mesa 17", Software, Some(Swr)),
        ("OpenSWR", "Intel", "", Software, Some(Swr)),
        ("lavapipe", "Mesa", "", Software, Some(Llvmpipe)),
        ("Google SwiftShader", "Google Inc.", "OpenGL ES 3.0 SwiftShader 4.1", Software, Some(SwiftShader)),
        ("ANGLE (Google, Vulkan 1.3.0 (SwiftShader Device (Subzero) (0x0000C0DE)), SwiftShader driver)", "Google Inc. (Google)", "", Software, Some(SwiftShader)),
        ("GDI Generic", "Microsoft Corporation", "1.1.0", Software, Some(Gdi)),
        ("Microsoft Basic Render Driver", "Microsoft Corporation", "", Software, Some(BasicRender)),
        ("D3D12 (Microsoft Basic Render Driver)", "Microsoft Corporation", "4.2 Mesa 22.2", Software, Some(BasicRender)),
        ("Microsoft WARP", "Microsoft", "", Software, Some(BasicRender)),
        ("Apple Software Renderer", "Apple Inc.", "2.1 APPLE-19", Software, Some(AppleSoftware)),
        ("Generic Renderer", "Apple", "1.4", Software, Some(AppleSoftware)),
        // The processor, below a layer.
        ("virgl (llvmpipe (LLVM 15.0.7, 256 bits))", "Mesa", "4.3 Mesa 23", Software, Some(Llvmpipe)),
        ("zink Vulkan 1.3(llvmpipe (LLVM 15.0.7, 256 bits))", "Mesa", "4.6 Mesa 23.1", Software, Some(Llvmpipe)),
        ("zink (llvmpipe (LLVM 15.0.6, 256 bits))", "Collabora Ltd", "4.6 Mesa 22.3.6", Software, Some(Llvmpipe)),
        // The X server.
        ("Mesa GLX Indirect", "Mesa project: www.mesa3d.org", "1.4 (2.1 Mesa 7.11)", Indirect, Option::None),
        ("Tesla V100-SXM2-16GB/PCIe/SSE2", "NVIDIA Corporation", "1.4 (2.1.2 NVIDIA 450.80.02)", Indirect, Some(Nvidia)),
        ("Mesa Intel(R) UHD Graphics 620 (KBL GT2)", "Intel", "1.4 (4.6 (Compatibility Profile) Mesa 22.3.6)", Indirect, Some(Intel)),
        // Cards.
        ("NVIDIA GeForce RTX 3070/PCIe/SSE2", "NVIDIA Corporation", "4.6.0 NVIDIA 550.163.01", Hardware, Some(Nvidia)),
        ("Quadro P2000/PCIe/SSE2", "NVIDIA Corporation", "4.6.0 NVIDIA 470.82", Hardware, Some(Nvidia)),
        ("NVIDIA Tegra Orin (nvgpu)/integrated", "NVIDIA Corporation", "4.6.0 NVIDIA 540.2.0", Hardware, Some(Tegra)),
        ("Orin (nvgpu)/integrated", "NVIDIA Corporation", "4.6.0", Hardware, Some(Tegra)),
        ("NV136", "nouveau", "4.3 (Compatibility Profile) Mesa 22.3.6", Hardware, Some(Nouveau)),
        ("NV117", "Mesa", "4.3 (Compatibility Profile) Mesa 23.2.1", Hardware, Some(Nouveau)),
        ("NVA8", "nouveau", "3.3 Mesa 20", Hardware, Some(Nouveau)),
        ("zink Vulkan 1.3(NVIDIA GeForce RTX 3070 (NVK GA104))", "Mesa", "4.6 Mesa 24.1", Hardware, Some(Nvk)),
        ("NVK", "Mesa", "4.6 Mesa 25", Hardware, Some(Nvk)),
        ("AMD Radeon RX 6700 XT (navi22, LLVM 15.0.7, DRM 3.49, 6.1.0-13-amd64)", "AMD", "4.6 Mesa 22.3.6", Hardware, Some(Amd)),
        ("AMD Radeon Graphics (radeonsi, renoir, LLVM 15.0.7, DRM 3.57, 6.8.0)", "AMD", "4.6 Mesa 24.0.5", Hardware, Some(Amd)),
        ("AMD Radeon 780M (radeonsi, gfx1103_r1, ACO, DRM 3.61)", "AMD", "4.6 Mesa 25.1", Hardware, Some(Amd)),
        ("AMD TURKS (DRM 2.50.0, 5.10.0)", "X.Org", "3.3 Mesa 20.3.5", Hardware, Some(Amd)),
        ("Gallium 0.4 on AMD TURKS (DRM 2.49.0)", "X.Org", "3.0 Mesa 13.0", Hardware, Some(AmdOld)),
        ("AMD Radeon HD 7700 Series", "ATI Technologies Inc.", "4.5.13399 Compatibility Profile Context", Hardware, Some(AmdProprietary)),
        ("Mesa Intel(R) UHD Graphics 620 (KBL GT2)", "Intel", "4.6 (Compatibility Profile) Mesa 22.3.6", Hardware, Some(Intel)),
        ("Mesa DRI Intel(R) HD Graphics 4000 (IVB GT2)", "Intel Open Source Technology Center", "3.0 Mesa 18.3.6", Hardware, Some(IntelOld)),
        ("Mesa Intel(R) Arc(tm) A770 Graphics (DG2)", "Intel", "4.6 Mesa 23.2", Hardware, Some(Intel)),
        ("Intel(R) Arc(tm) Graphics (MTL)", "Intel", "4.6 Mesa 24", Hardware, Some(Intel)),
        ("Mali-G52 (Panfrost)", "Panfrost", "3.1 Mesa 22.3.6", Hardware, Some(Mali)),
        ("Mali-G610 MC4 (Panfrost)", "Mesa", "3.1 Mesa 24.2", Hardware, Some(Mali)),
        ("Mali-G610 (Panthor)", "Mesa", "3.1 Mesa 24.2", Hardware, Some(Mali)),
        ("Mali-G78", "ARM", "OpenGL ES 3.2 v1.r32p1", Hardware, Some(MaliProprietary)),
        ("Mali450", "lima", "2.1 Mesa 22.3.6", Hardware, Some(Lima)),
        ("V3D 4.2", "Broadcom", "2.1 Mesa 22.3.6", Hardware, Some(Broadcom)),
        ("V3D 7.1", "Broadcom", "3.1 Mesa 23.2", Hardware, Some(Broadcom)),
        ("VC4 V3D 2.1", "Broadcom", "2.1 Mesa 20", Hardware, Some(Broadcom)),
        ("FD630", "freedreno", "4.5 Mesa 23", Hardware, Some(Qualcomm)),
        ("Adreno (TM) 650", "Qualcomm", "OpenGL ES 3.2", Hardware, Some(Qualcomm)),
        ("Vivante GC7000 rev 6214", "etnaviv", "2.1 Mesa 22", Hardware, Some(Vivante)),
        ("Apple M1 (G13G B1)", "Mesa", "4.6 Mesa 24.2", Hardware, Some(Asahi)),
        ("Apple M1 Pro (G13S C0)", "Asahi", "4.6 Mesa 24.2", Hardware, Some(Asahi)),
        ("Apple M4 Pro", "Apple", "2.1 Metal - 89.3", Hardware, Some(Apple)),
        ("ANGLE (Intel, Mesa Intel(R) UHD Graphics 620 (KBL GT2), OpenGL 4.6)", "Google Inc. (Intel)", "", Hardware, Some(Intel)),
        ("ATI RV530", "Mesa", "2.1 Mesa 24.0.5", Hardware, Some(Amd)),
        ("i915 (chipset: 945GM)", "Mesa", "2.1 Mesa 23.2.1", Hardware, Some(Intel)),
        ("zink Vulkan 1.3(NVIDIA GeForce GTX 1660 Ti (NVIDIA_PROPRIETARY))", "Mesa", "4.6 (Compatibility Profile) Mesa 24.2", Hardware, Some(Nvidia)),
        ("zink Vulkan 1.4(NVIDIA GeForce RTX 3060 (NVK GA106) (MESA_NVK))", "Mesa", "4.6 (Compatibility Profile) Mesa 25.1", Hardware, Some(Nvk)),
        ("zink Vulkan 1.3(llvmpipe (LLVM 17.0.6, 256 bits) (MESA_LLVMPIPE))", "Mesa", "4.6 (Compatibility Profile) Mesa 24.2", Software, Some(Llvmpipe)),
        // Virtual machines.
        ("zink Vulkan 1.2(Microsoft Direct3D12 (NVIDIA GeForce RTX 3060) (MESA_DOZEN))", "Mesa", "4.5 Mesa 24", Virtual, Some(D3d12)),
        ("virgl", "Mesa", "4.3 Mesa 22.3.6", Virtual, Some(Virgl)),
        ("virgl (Mesa Intel(R) UHD Graphics 620 (KBL GT2))", "Mesa", "4.3 Mesa 23", Virtual, Some(Virgl)),
        ("SVGA3D; build: RELEASE;  LLVM;", "VMware, Inc.", "4.1 (Compatibility Profile) Mesa 22.3.6", Virtual, Some(Svga3d)),
        ("Chromium", "Humper", "2.1 Chromium 1.9", Virtual, Some(VirtualBox)),
        ("Parallels using AMD Radeon Pro 555X OpenGL Engine", "Parallels and ATI Technologies Inc.", "2.1 ATI-3", Virtual, Some(Parallels)),
        ("D3D12 (NVIDIA GeForce RTX 3060)", "Microsoft Corporation", "4.2 (Compatibility Profile) Mesa 22.3.6", Virtual, Some(D3d12)),
        ("Venus", "Mesa", "", Virtual, Some(Venus)),
        ("zink (Venus)", "Mesa", "4.6 Mesa 24", Virtual, Some(Venus)),
        ("zink Vulkan 1.3(Virtio-GPU Venus (AMD Radeon 780M))", "Mesa", "4.6 Mesa 24", Virtual, Some(Venus)),
        ("Apple Paravirtual device", "Apple", "2.1 Metal", Virtual, Some(AppleParavirtual)),
        // Nobody, and nobody known.
        ("", "", "", None, Option::None),
        ("  ", "NVIDIA Corporation", "4.6", None, Option::None),
        ("Frobnicator 9000", "ACME", "3.3", Unknown, Option::None),
    ]
};

fn context(renderer: &str, vendor: &str, version: &str) -> GlContext {
    GlContext { renderer: renderer.to_owned(), vendor: vendor.to_owned(), version: version.to_owned(), ..GlContext::default() }
}

#[test]
fn every_known_string_is_classified() {
    for (renderer, vendor, version, class, family) in SAMPLES {
        let found = classify(&context(renderer, vendor, version));
        assert_eq!((found.class, found.family), (*class, *family), "{renderer} of {vendor}, {version}");
        assert!(found.contradictions.is_empty(), "{renderer}: {:?}", found.contradictions);
    }
}

#[test]
fn case_does_not_matter() {
    for (renderer, vendor, version, class, family) in SAMPLES {
        let found = classify(&context(&renderer.to_uppercase(), &vendor.to_uppercase(), &version.to_uppercase()));
        assert_eq!((found.class, found.family), (*class, *family), "{renderer}");
    }
}

#[test]
fn layers_are_taken_off() {
    let inner = |renderer: &str| classify(&context(renderer, "", "")).inner;
    assert_eq!(inner("zink Vulkan 1.3(llvmpipe (LLVM 15.0.7, 256 bits))"), "llvmpipe (LLVM 15.0.7, 256 bits)");
    assert_eq!(
        inner("ANGLE (Intel, Mesa Intel(R) UHD Graphics 620 (KBL GT2), OpenGL 4.6)"),
        "Mesa Intel(R) UHD Graphics 620 (KBL GT2)"
    );
    assert_eq!(inner("virgl (zink Vulkan 1.3(NV136))"), "NV136");
    assert_eq!(inner("zink ("), "");
    assert_eq!(inner("NV136"), "NV136");
}

#[test]
fn a_card_that_is_not_direct_is_indirect_and_keeps_its_family() {
    let mut card = context("NVIDIA GeForce RTX 3070/PCIe/SSE2", "NVIDIA Corporation", "3.3.0 NVIDIA 550.163.01");
    card.direct = Some(false);
    let found = classify(&card);
    assert_eq!((found.class, found.family), (RendererClass::Indirect, Some(Family::Nvidia)));
    card.direct = Some(true);
    assert_eq!(classify(&card).class, RendererClass::Hardware);
}

#[test]
fn parentheses_in_an_ordinary_version_are_not_a_sign_of_the_protocol() {
    for version in
        ["4.5 (Compatibility Profile) Mesa 22.3.6", "1.4 Mesa 18 (git-123)", "2.1 (4.6 something)", "1.4 ()", "1.4 (Core)"]
    {
        assert!(!is_protocol_version(version), "{version}");
    }
    assert!(is_protocol_version("1.4 (2.1.2 nvidia 450.80.02)") && is_protocol_version("1.2 (2.1)"));
}

#[test]
fn virtualgl_is_told_by_the_platform_and_does_not_hide_a_software_renderer() {
    let mut remote = context("NVIDIA GeForce RTX 3070/PCIe/SSE2", "NVIDIA Corporation", "4.6.0 NVIDIA 550.163.01");
    remote.platform_vendor = Some("VirtualGL".into());
    assert_eq!(classify(&remote).family, Some(Family::VirtualGl));
    let mut processor = context("llvmpipe (LLVM 15.0.6, 256 bits)", "Mesa", "4.5 Mesa 22.3.6");
    processor.platform_vendor = Some("VirtualGL".into());
    assert_eq!(classify(&processor).class, RendererClass::Software);
}

#[test]
fn mesa_as_an_x_program_is_software_whatever_it_calls_itself() {
    let mut xlib = context("llvmpipe (LLVM 11.0.1, 256 bits)", "Mesa/X.org", "3.1 Mesa 20.3.5");
    xlib.platform_vendor = Some("Brian Paul".into());
    assert_eq!(classify(&xlib).family, Some(Family::MesaXlib));
}

#[test]
fn a_second_opinion_overrules_the_name_and_is_told() {
    let card = context("Mesa Intel(R) UHD Graphics 620 (KBL GT2)", "Intel", "4.6 Mesa 22.3.6");
    let opinions: [fn(&mut GlContext); 4] = [
        |context| context.accelerated = Some(false),
        |context| (context.vendor_id, context.device_id) = (Some(u32::MAX), Some(u32::MAX)),
        |context| context.software_device = Some(true),
        |context| context.driver = Some("kms_swrast".into()),
    ];
    for change in opinions {
        let mut doubtful = card.clone();
        change(&mut doubtful);
        let found = classify(&doubtful);
        assert_eq!(found.class, RendererClass::Software, "{doubtful:?}");
        assert_eq!(found.contradictions.len(), 1, "{doubtful:?}");
    }
}

#[test]
fn a_software_name_stays_software_and_the_disagreement_is_told() {
    let mut processor = context("llvmpipe (LLVM 15.0.6, 256 bits)", "Mesa", "4.5 Mesa 22.3.6");
    processor.software_device = Some(false);
    let found = classify(&processor);
    assert_eq!((found.class, found.contradictions.len()), (RendererClass::Software, 1));
    processor.software_device = Some(true);
    processor.accelerated = Some(false);
    assert!(classify(&processor).contradictions.is_empty());
}

/// `svga_screen.c` answers 0 for every virtual machine, of VMware and of VirtualBox; without 3D there it does not load.
#[test]
fn the_graphics_of_vmware_and_virtualbox_are_virtual_although_mesa_says_not_accelerated() {
    let mut vmware = context("SVGA3D; build: RELEASE;  LLVM;", "VMware, Inc.", "4.1 (Compatibility Profile) Mesa 22.3.6");
    (vmware.vendor_id, vmware.device_id) = (Some(0x15ad), Some(0x405));
    for accelerated in [None, Some(false), Some(true)] {
        vmware.accelerated = accelerated;
        let found = classify(&vmware);
        assert_eq!((found.class, found.contradictions.len()), (RendererClass::Virtual, 0), "{accelerated:?}");
    }
    let mut virgl = context("virgl", "Mesa", "4.3 Mesa 22.3.6");
    virgl.accelerated = Some(false);
    assert_eq!(classify(&virgl).class, RendererClass::Software);
}

/// EGL has no device of its own for what reaches the card through another interface: its driver is "swrast" or "zink" there.
#[test]
fn a_card_that_is_reached_through_windows_or_vulkan_is_none_of_the_processor_to_egl() {
    for (renderer, class) in [
        ("D3D12 (NVIDIA GeForce RTX 3060)", RendererClass::Virtual),
        ("D3D12 (Microsoft Basic Render Driver)", RendererClass::Software),
        ("zink Vulkan 1.3(NVIDIA GeForce RTX 3070 (NVK GA104))", RendererClass::Hardware),
        ("zink Vulkan 1.3(llvmpipe (LLVM 15.0.7, 256 bits))", RendererClass::Software),
    ] {
        let mut by_egl = context(renderer, "Mesa", "4.6 Mesa 24.2");
        (by_egl.driver, by_egl.software_device) = (Some("swrast".into()), Some(true));
        let found = classify(&by_egl);
        assert_eq!((found.class, found.contradictions.len()), (class, 0), "{renderer}");
    }
    let mut without_a_card = context("D3D12 (A new adapter)", "Microsoft Corporation", "4.2 Mesa 24");
    without_a_card.accelerated = Some(false);
    assert_eq!(classify(&without_a_card).class, RendererClass::Software);
}

#[test]
fn an_unknown_name_is_settled_by_the_flags() {
    let mut new = context("Frobnicator 9000", "ACME", "4.6");
    new.accelerated = Some(true);
    assert_eq!(classify(&new).class, RendererClass::Hardware);
    new.accelerated = Some(false);
    assert_eq!(classify(&new).class, RendererClass::Software);
}

#[test]
fn a_card_without_pci_ids_is_no_software_renderer() {
    let mut mali = context("Mali-G52 (Panfrost)", "Panfrost", "3.1 Mesa 22.3.6");
    (mali.vendor_id, mali.device_id, mali.accelerated) = (Some(u32::MAX), Some(u32::MAX), Some(true));
    assert_eq!(classify(&mali).class, RendererClass::Hardware);
}
