//! Carrying out the edits of a plan: new text, unified diff, whole-file atomic write, copy of the old file, undo.
