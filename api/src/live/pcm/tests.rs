use std::f64::consts::TAU;

use super::*;

fn bytes_of(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

fn tone(rate: u32, hertz: f64, frames: usize) -> Vec<i16> {
    let sample = |at: usize| (TAU * hertz * at as f64 / f64::from(rate)).sin() * 16_000.0;
    (0..frames).map(|at| sample(at).round() as i16).collect()
}

fn convert(encoding: Encoding, rate: u32, bytes: &[u8], step: usize) -> Vec<i16> {
    let (mut pcm, mut out) = (Pcm::new(encoding, rate).unwrap(), Vec::new());
    for piece in bytes.chunks(step) {
        pcm.push(piece, &mut out).unwrap();
    }
    pcm.finish(&mut out).unwrap();
    out
}

/// The level of a tone in dB above what else is there, and where it begins, in samples.
fn tone_in(samples: &[i16], hertz: f64) -> (f64, f64) {
    let turn = |at: usize| TAU * hertz * at as f64 / 16_000.0;
    let n = samples.len() as f64;
    let sum = |wave: fn(f64) -> f64| {
        let products = samples.iter().enumerate().map(|(at, sample)| f64::from(*sample) * wave(turn(at)));
        2.0 * products.sum::<f64>() / n
    };
    let (sine, cosine) = (sum(f64::sin), sum(f64::cos));
    let rest = samples
        .iter()
        .enumerate()
        .map(|(at, sample)| (f64::from(*sample) - sine * turn(at).sin() - cosine * turn(at).cos()).powi(2));
    let level = (sine * sine + cosine * cosine) / 2.0;
    (10.0 * (level / (rest.sum::<f64>() / n)).log10(), -cosine.atan2(sine) / TAU / hertz * 16_000.0)
}

#[test]
fn tones_of_speech_stay_as_they_are() {
    for rate in [8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 47_999, 48_000] {
        for hertz in [200.0, 1_000.0, 2_000.0, 3_400.0] {
            let input = tone(rate, hertz, 2 * rate as usize);
            let output = convert(Encoding::S16le, rate, &bytes_of(&input), 640);
            // A whole number of periods of every tone, away from the edges.
            let (level, begins) = tone_in(&output[8_000..24_000], hertz);
            assert!(level > 50.0, "{hertz} Hz at {rate} Hz: {level:.1} dB");
            assert!(begins.abs() < 0.6, "{hertz} Hz at {rate} Hz is {begins:.2} samples late");
        }
    }
}

#[test]
fn what_16_khz_cannot_hold_is_filtered_out() {
    for rate in [32_000, 44_100, 48_000] {
        let input = tone(rate, 10_000.0, rate as usize);
        let output = convert(Encoding::S16le, rate, &bytes_of(&input), 640);
        let loudest = output[500..15_500].iter().map(|sample| sample.unsigned_abs()).max().unwrap();
        assert!(loudest < 16, "{rate} Hz: {loudest}");
    }
}

#[test]
fn how_the_bytes_are_cut_makes_no_difference() {
    for rate in [8_000, 11_025, 16_000, 44_100, 48_000] {
        let samples = tone(rate, 700.0, 9_001);
        let floats = samples.iter().flat_map(|sample| (f32::from(*sample) / SCALE).to_le_bytes()).collect();
        let codes = (0..9_001).map(|at| (at * 31 % 256) as u8).collect();
        for (encoding, bytes) in
            [(Encoding::S16le, bytes_of(&samples)), (Encoding::F32le, floats), (Encoding::Mulaw, codes)]
        {
            let whole = convert(encoding, rate, &bytes, bytes.len());
            for step in [1, 2, 3, 255, 4096] {
                assert!(convert(encoding, rate, &bytes, step) == whole, "{encoding} {rate} Hz, {step} bytes");
            }
        }
    }
}

#[test]
fn the_length_is_exact_and_half_a_sample_is_none() {
    for rate in [8_000, 11_025, 12_345, 16_000, 22_050, 44_100, 44_101, 48_000] {
        for frames in [0, 1, 2, 39, 40, 1_023, 50_000] {
            let mut bytes = bytes_of(&tone(rate, 440.0, frames));
            bytes.push(7);
            let length = convert(Encoding::S16le, rate, &bytes, 1_152).len() as f64;
            let exact = frames as f64 * 16_000.0 / f64::from(rate);
            assert!((length - exact).abs() <= 0.5, "{rate} Hz, {frames} frames: {length}, not {exact}");
        }
    }
}

#[test]
fn it_lags_by_less_than_40_ms_and_keeps_nothing_else() {
    for rate in [8_000, 11_025, 12_345, 44_100, 47_999, 48_000] {
        let (mut pcm, mut out) = (Pcm::new(Encoding::S16le, rate).unwrap(), Vec::new());
        let (mut given, room) = (0, pcm.filter.as_ref().unwrap().waiting.capacity());
        for (nr, piece) in bytes_of(&tone(rate, 440.0, 2 * rate as usize)).chunks(202).enumerate() {
            pcm.push(piece, &mut out).unwrap();
            given += out.len();
            out.clear();
            let pushed = ((nr + 1) * 101) as f64 / f64::from(rate);
            let lag = pushed.min(2.0) - given as f64 / 16_000.0;
            assert!(lag < 0.04, "{rate} Hz: {lag} s behind");
        }
        // A long push is worked off in blocks.
        pcm.push(&vec![0; 1 << 20], &mut out).unwrap();
        assert_eq!(pcm.filter.unwrap().waiting.capacity(), room, "{rate} Hz");
    }
}

#[test]
fn samples_of_16_khz_pass_untouched() {
    let all: Vec<i16> = (i16::MIN..=i16::MAX).collect();
    assert!(convert(Encoding::S16le, 16_000, &bytes_of(&all), 999) == all);
    let floats: Vec<u8> = all.iter().flat_map(|sample| (f32::from(*sample) / SCALE).to_le_bytes()).collect();
    assert!(convert(Encoding::F32le, 16_000, &floats, 999) == all);
}

#[test]
fn every_code_of_mulaw_has_its_value() {
    let codes: Vec<u8> = (0..=255).collect();
    let decoded = convert(Encoding::Mulaw, 16_000, &codes, 7);
    // Of the standard's table, in 16 bits: each segment's first value, and the distance between two.
    let segments = [
        (32_124, 1_024),
        (15_996, 512),
        (7_932, 256),
        (3_900, 128),
        (1_884, 64),
        (876, 32),
        (372, 16),
        (120, 8),
    ];
    for (nr, (first, apart)) in segments.into_iter().enumerate() {
        for step in 0..16 {
            let (code, value) = (nr * 16 + step, first - apart * step as i16);
            assert_eq!((decoded[code], decoded[code + 128]), (-value, value), "{code}");
        }
    }
}

#[test]
fn floats_that_are_no_sound_do_no_harm() {
    let floats = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 2.0, -2.0, 1e-40, f32::MAX, -0.0];
    let bytes: Vec<u8> = floats.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    assert_eq!(convert(Encoding::F32le, 16_000, &bytes, 3), [0, 0, 0, 32_767, -32_768, 0, 32_767, 0]);
    // Whatever the bits are, and the filter does not keep it either.
    let mut bytes: Vec<u8> =
        (0_u32..40_000).flat_map(|nr| nr.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    bytes.extend_from_slice(&[0; 40_000]);
    let output = convert(Encoding::F32le, 48_000, &bytes, 4_096);
    assert_eq!(output[output.len() - 100..], [0; 100]);
}

#[test]
fn encodings_have_their_names_and_other_rates_are_refused() {
    for (names, encoding) in [
        (&["s16le", "pcm_s16le", "linear16", "pcm16", " S16LE "][..], Encoding::S16le),
        (&["f32le", "pcm_f32le", "float32"], Encoding::F32le),
        (&["mulaw", "mu-law", "pcm_mulaw", "ulaw"], Encoding::Mulaw),
    ] {
        for name in names {
            assert_eq!(name.parse(), Ok(encoding), "{name}");
        }
        assert_eq!(encoding.as_str().parse(), Ok(encoding));
    }
    for name in ["", "s16be", "opus", &"x".repeat(10_000)] {
        let error = name.parse::<Encoding>().unwrap_err().to_string();
        assert!(error.contains("use s16le, f32le or mulaw") && error.len() < 100, "{error}");
    }
    for rate in [0, 1, 7_999, 48_001, u32::MAX] {
        assert_eq!(Pcm::new(Encoding::S16le, rate).unwrap_err(), PcmError::Rate(rate));
    }
    for rate in [8_000, 48_000] {
        assert!(Pcm::new(Encoding::Mulaw, rate).is_ok());
    }
}
