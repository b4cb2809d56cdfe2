//! What a GL_RENDERER string means.
