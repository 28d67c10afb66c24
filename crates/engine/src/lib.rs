//! The pure core of Mainstay. (Being built.)
mod settings;
pub use settings::Settings;
