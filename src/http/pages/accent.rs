//! The operator's accent colour, made readable: whatever colour is set, buttons and links keep a contrast
//! of at least 4.5:1 in both schemes (WCAG 2.2, success criterion 1.4.3).

/// An opaque sRGB colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Colour([u8; 3]);

// The darkest light surface and the lightest dark one that accent text stands on (`--sunken`, `--raised`).
const LIGHT: Colour = Colour([0xf3, 0xf4, 0xf6]);
const DARK: Colour = Colour([0x24, 0x28, 0x30]);
const BLACK: Colour = Colour([0x10, 0x12, 0x16]);
const WHITE: Colour = Colour([0xff, 0xff, 0xff]);
const READABLE: f64 = 4.5;

impl Colour {
    /// From `#rrggbb`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let hex = text.strip_prefix('#').filter(|hex| hex.len() == 6)?;
        let number =
            hex.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u32::from_str_radix(hex, 16).ok())??;
        let [_, r, g, b] = number.to_be_bytes();
        Some(Self([r, g, b]))
    }

    /// As `#rrggbb`.
    pub(super) fn hex(self) -> String {
        let Self([r, g, b]) = self;
        format!("#{r:02x}{g:02x}{b:02x}")
    }

    /// Relative luminance, 0 to 1 (WCAG 2.2, "relative luminance").
    fn luminance(self) -> f64 {
        let [r, g, b] = self.0.map(|byte| {
            let part = f64::from(byte) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * r + 0.7152 * g + 0.0722 * b
    }

    /// Contrast ratio, 1 to 21.
    fn contrast(self, other: Self) -> f64 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    // `percent` of the way to `other`.
    fn towards(self, other: Self, percent: u16) -> Self {
        let mix = |from: u8, to: u8| {
            let mixed = u16::from(from) * (100 - percent) + u16::from(to) * percent;
            u8::try_from(mixed / 100).unwrap_or(u8::MAX)
        };
        let (Self([r, g, b]), Self([r2, g2, b2])) = (self, other);
        Self([mix(r, r2), mix(g, g2), mix(b, b2)])
    }

    // The nearest shade of itself that can be read on `ground`.
    fn readable_on(self, ground: Self, towards: Self) -> Self {
        (0..=100)
            .map(|percent| self.towards(towards, percent))
            .find(|shade| shade.contrast(ground) >= READABLE)
            .unwrap_or(towards)
    }

    // What can be read on top of it.
    fn label(self) -> Self {
        if self.contrast(WHITE) >= READABLE { WHITE } else { BLACK }
    }
}

/// The custom properties that put `accent` in the place of the stylesheet's own, for both schemes.
pub(super) fn properties(accent: Colour) -> String {
    let light = accent.readable_on(LIGHT, BLACK);
    let dark = accent.readable_on(DARK, WHITE);
    format!(
        ":root{{--accent:{};--on-accent:{}}}\n@media (prefers-color-scheme:dark){{:root{{--accent:{};--on-accent:{}}}}}\n",
        light.hex(),
        light.label().hex(),
        dark.hex(),
        dark.label().hex(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rrggbb_is_a_colour() {
        assert_eq!(Colour::parse("#1f6FEB").map(Colour::hex).as_deref(), Some("#1f6feb"));
        for wrong in ["", "1f6feb", "#fff", "#1f6feb;", "#+1f6fe", "red", "#1f6fegg", "#é1234"] {
            assert_eq!(Colour::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn every_accent_can_be_read_in_both_schemes() {
        for step in 0..4096_u32 {
            let part = |shift: u32| u8::try_from((step >> shift & 15) * 17).unwrap();
            let accent = Colour([part(8), part(4), part(0)]);
            for (ground, towards) in [(LIGHT, BLACK), (DARK, WHITE)] {
                let shade = accent.readable_on(ground, towards);
                assert!(shade.contrast(ground) >= READABLE, "{accent:?} as {shade:?} on {ground:?}");
                assert!(shade.label().contrast(shade) >= READABLE, "label of {shade:?}");
            }
        }
    }

    #[test]
    fn a_readable_accent_stays_as_it_was_set() {
        let accent = Colour::parse("#0b5cad").unwrap();
        assert!(properties(accent).starts_with(":root{--accent:#0b5cad;--on-accent:#ffffff}"));
    }
}
