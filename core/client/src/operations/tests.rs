//! Operations on the scripted wire, on virtual time.
