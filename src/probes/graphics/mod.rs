//! OpenGL, EGL and Vulkan, each in a child process of our own program that can crash or hang without harm.
