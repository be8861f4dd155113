//! Functions, transforms and effects on sound take any argument: the right answer or an error, soon, in little memory.

#[path = "../../../tensor/tests/attack/thrown.rs"]
mod thrown;

use flambeau_audio::compliance::kaldi;
use flambeau_audio::effects::EffectsChain;
use flambeau_audio::functional::*;
use flambeau_audio::transforms::{
    self as T, Call, FrequencyMasking, GriffinLim, InverseMelScale, LFCC, MFCC, MelScale, MelSpectrogram, PadTrim,
    PitchShift, Resample, SpecAugment, TimeMasking, TimeStretch,
};
use flambeau_tensor::{DType, ErrorKind, PadMode, Result, Tensor};
use thrown::Thrown;

const C: DType = DType::Complex64;

fn methods(t: &mut Thrown) -> ResamplingMethod {
    let beta = t.number();
    t.pick(&[ResamplingMethod::SincInterpHann, ResamplingMethod::KAISER, ResamplingMethod::SincInterpKaiser(beta)])
}

fn pads(t: &mut Thrown) -> Option<PadMode> {
    t.pick(&[None, Some(PadMode::Reflect), Some(PadMode::Replicate), Some(PadMode::Circular)])
}

fn spectrograms(t: &mut Thrown) -> SpectrogramOptions {
    let size = |t: &mut Thrown| if t.one_in(2) { 8 } else { t.size() };
    SpectrogramOptions {
        n_fft: size(t),
        hop_length: if t.one_in(2) { 4 } else { t.size() },
        pad: if t.one_in(2) { 0 } else { t.size() },
        power: t.pick(&[None, Some(2.0), Some(1.0), Some(f64::NAN), Some(-1.0)]),
        normalized: t.pick(&[Normalized::No, Normalized::Window, Normalized::FrameLength]),
        center: t.switch(),
        pad_mode: pads(t),
        onesided: t.switch(),
    }
}

/// Mostly `right`.
fn of(t: &mut Thrown, right: usize) -> usize {
    if t.one_in(3) { t.size() } else { right }
}

fn number(t: &mut Thrown, right: f64) -> f64 {
    if t.one_in(5) { t.number() } else { right }
}

#[test]
fn filters_and_effects() {
    let mut t = Thrown::default();
    throw! { t;
        allpass(x = t.tensor(&[2, 400]), rate = t.rate(), a = t.number(), b = t.number()) => allpass_biquad(&x, rate, a, b);
        band(x = t.tensor(&[2, 400]), rate = t.rate(), a = t.number(), b = t.number(), on = t.switch()) => band_biquad(&x, rate, a, b, on);
        bandpass(x = t.tensor(&[2, 400]), rate = t.rate(), a = t.number(), b = t.number(), on = t.switch()) => bandpass_biquad(&x, rate, a, b, on);
        bandreject(x = t.tensor(&[2, 400]), rate = t.rate(), a = t.number(), b = t.number()) => bandreject_biquad(&x, rate, a, b);
        bass(x = t.tensor(&[2, 400]), rate = t.rate(), a = t.number(), b = t.number(), c = t.number()) => bass_biquad(&x, rate, a, b, c);
        treble(x = t.tensor(&[2, 400]), rate = t.rate(), a = t.number(), b = t.number(), c = t.number()) => treble_biquad(&x, rate, a, b, c);
        equalizer(x = t.tensor(&[2, 400]), rate = t.rate(), a = t.number(), b = t.number(), c = t.number()) => equalizer_biquad(&x, rate, a, b, c);
        highpass(x = t.tensor(&[2, 400]), rate = t.rate(), a = t.number(), b = t.number()) => highpass_biquad(&x, rate, a, b);
        lowpass(x = t.tensor(&[2, 400]), rate = t.rate(), a = t.number(), b = t.number()) => lowpass_biquad(&x, rate, a, b);
        deemph(x = t.tensor(&[2, 400]), rate = t.rate()) => deemph_biquad(&x, rate);
        riaa(x = t.tensor(&[2, 400]), rate = t.rate()) => riaa_biquad(&x, rate);
        contrast(x = t.tensor(&[2, 400]), a = t.number()) => contrast(&x, a);
        dcshift(x = t.tensor(&[2, 400]), a = t.number(), b = t.number()) => dcshift(&x, a, Some(b));
        gain(x = t.tensor(&[2, 400]), a = t.number()) => gain(&x, a);
        overdrive(x = t.tensor(&[2, 400]), a = t.number(), b = t.number()) => overdrive(&x, a, b);
        phaser(x = t.tensor(&[2, 400]), rate = t.rate(), a = t.number(), b = t.number(), c = t.number(), d = t.number(), on = t.switch()) =>
            phaser(&x, rate, PhaserOptions::default().gain_in(a).delay_ms(b).decay(c).mod_speed(d).sinusoidal(on));
        phaser_delay(x = t.tensor(&[2, 400]), rate = t.rate(), b = t.number(), d = t.number(), on = t.switch()) =>
            phaser(&x, rate, PhaserOptions::default().delay_ms(b).mod_speed(d).sinusoidal(on));
        flanger(x = t.tensor(&[1, 2, 400]), rate = t.rate(), a = t.number(), b = t.number(), c = t.number(), d = t.number()) =>
            flanger(&x, rate, FlangerOptions::default().delay(a).depth(b).regen(c).speed(d));
        flanger_speed(x = t.tensor(&[1, 2, 400]), rate = t.rate(), b = t.number(), c = t.number(), d = t.number()) =>
            flanger(&x, rate, FlangerOptions::default().width(b).phase(c).speed(d));
        dither(x = t.tensor(&[2, 400]), d = t.pick(&[DensityFunction::Triangular, DensityFunction::Rectangular, DensityFunction::Gaussian]), on = t.switch()) => dither(&x, d, on);
        loudness(x = t.tensor(&[2, 40_000]), rate = t.rate()) => loudness(&x, rate);
        lfilter(x = t.tensor(&[2, 40]), a = t.tensor(&[3]), b = t.tensor(&[3]), c = t.switch(), d = t.switch()) => lfilter(&x, &a, &b, LfilterOptions::default().clamp(c).batching(d));
        lfilter_banks(x = t.tensor(&[2, 40]), a = t.tensor(&[2, 3]), b = t.tensor(&[2, 3]), c = t.switch(), d = t.switch()) => lfilter(&x, &a, &b, LfilterOptions::default().clamp(c).batching(d));
        filtfilt(x = t.tensor(&[2, 40]), a = t.tensor(&[3]), b = t.tensor(&[3]), c = t.switch()) => filtfilt(&x, &a, &b, c);
        sosfilt(x = t.tensor(&[2, 40]), a = t.tensor(&[3, 6]), c = t.switch()) => sosfilt(&x, &a, c);
        biquad(x = t.tensor(&[2, 40]), a = t.number(), b = t.number(), c = t.number()) => biquad(&x, [a, b, c], [c, a, b]);
        preemphasis(x = t.tensor(&[2, 40]), a = t.number()) => preemphasis(&x, a);
        deemphasis(x = t.tensor(&[2, 40]), a = t.number()) => deemphasis(&x, a);
        add_noise(x = t.tensor(&[2, 40]), n = t.tensor(&[2, 40]), s = t.tensor(&[2]), l = t.indices(&[2], 41)) => add_noise(&x, &n, &s, Some(&l));
        convolve(x = t.tensor(&[2, 40]), y = t.tensor(&[2, 7]), m = t.pick(&[ConvolveMode::Full, ConvolveMode::Same, ConvolveMode::Valid])) => convolve(&x, &y, m);
        fftconvolve(x = t.tensor(&[2, 40]), y = t.tensor(&[2, 7]), m = t.pick(&[ConvolveMode::Full, ConvolveMode::Same, ConvolveMode::Valid])) => fftconvolve(&x, &y, m);
        mu_law_encoding(x = t.tensor(&[2, 40]), n = t.size()) => mu_law_encoding(&x, n);
        mu_law_decoding(x = t.indices(&[2, 40], 256), n = t.size()) => mu_law_decoding(&x, n);
        amplitude_to_db(x = t.tensor(&[2, 5, 4]), a = t.number(), b = t.number(), c = t.number(), d = t.number()) => amplitude_to_db(&x, a, b, c, Some(d));
        db_to_amplitude(x = t.tensor(&[2, 5, 4]), a = t.number(), b = t.number()) => db_to_amplitude(&x, a, b);
    }
    t.report();
}

#[test]
fn time_and_frequency() {
    let mut t = Thrown::default();
    throw! { t;
        resample(x = t.tensor(&[2, 20]), a = t.rate(), b = t.rate(), w = t.size(), r = t.number(), m = methods(&mut t)) =>
            resample(&x, a, b, &ResampleOptions { lowpass_filter_width: w, rolloff: r, resampling_method: m });
        resample_width(x = t.tensor(&[2, 20]), a = t.rate(), b = t.rate(), w = t.size(), m = methods(&mut t)) =>
            resample(&x, a, b, &ResampleOptions { lowpass_filter_width: w, rolloff: 0.9, resampling_method: m });
        resample_rates(x = t.tensor(&[2, 20]), a = t.rate(), b = t.rate()) => resample(&x, a, b, &ResampleOptions::default());
        speed(x = t.tensor(&[2, 20]), a = t.rate(), f = t.number(), l = t.indices(&[2], 401)) => speed(&x, a, f, Some(&l));
        pitch_shift(x = t.tensor(&[2, 400]), a = t.rate(), n = t.pick(&[0, 1, -12, 40, i32::MAX, i32::MIN]), o = t.pick(&[0, 1, 12, u32::MAX]), f = t.size(), h = t.size()) =>
            pitch_shift(&x, a, n, &PitchShiftOptions::default().bins_per_octave(o).n_fft(f).hop_length(h));
        pitch_shift_steps(x = t.tensor(&[2, 400]), a = t.rate(), n = t.pick(&[0, 1, -12, 40, i32::MAX, i32::MIN]), o = t.pick(&[0, 1, 12, u32::MAX])) =>
            pitch_shift(&x, a, n, &PitchShiftOptions::default().bins_per_octave(o).n_fft(64));
        phase_vocoder(x = t.tensor_of(&[2, 5, 7], C), r = t.number(), p = t.tensor(&[5, 1])) => phase_vocoder(&x, r, &p);
        griffinlim(x = t.tensor(&[2, 5, 7]), w = t.tensor(&[8]), n = t.size(), h = t.size(), p = t.number(), m = t.number(), l = t.size()) =>
            griffinlim(&x, &w, GriffinLimOptions::default().n_fft(n).hop_length(h).power(p).momentum(m).n_iter(2).length(l));
        griffinlim_length(x = t.tensor(&[2, 5, 7]), w = t.tensor(&[8]), h = t.size(), p = t.number(), l = t.size()) =>
            griffinlim(&x, &w, GriffinLimOptions::default().n_fft(8).hop_length(h).power(p).n_iter(2).length(l));
        spectrogram(x = t.tensor(&[2, 40]), w = t.tensor(&[8]), o = spectrograms(&mut t)) => spectrogram(&x, &w, &o);
        inverse_spectrogram(x = t.tensor_of(&[2, 5, 7], C), w = t.tensor(&[8]), l = t.size(), o = spectrograms(&mut t)) => inverse_spectrogram(&x, l, &w, &o);
        spectral_centroid(x = t.tensor(&[2, 40]), a = t.rate(), w = t.tensor(&[8]), o = spectrograms(&mut t)) => spectral_centroid(&x, a, &w, &o);
        melscale_fbanks(n = t.size(), a = t.number(), b = t.number(), m = t.size(), r = t.rate(), k = t.pick(&[MelScaleKind::Htk, MelScaleKind::Slaney])) =>
            melscale_fbanks(n, (a, b), m, r, Some(MelNorm::Slaney), k);
        linear_fbanks(n = t.size(), a = t.number(), b = t.number(), m = t.size(), r = t.rate()) => linear_fbanks(n, (a, b), m, r);
        create_dct(n = t.size(), m = t.size(), o = t.switch()) => create_dct(n, m, o);
        compute_deltas(x = t.tensor(&[2, 5, 7]), n = t.size(), m = pads(&mut t)) => compute_deltas(&x, n, m);
        sliding_window_cmn(x = t.tensor(&[2, 5, 7]), n = t.size(), m = t.size(), a = t.switch(), b = t.switch()) =>
            sliding_window_cmn(&x, SlidingWindowCmnOptions::default().cmn_window(n).min_cmn_window(m).center(a).norm_vars(b));
        detect_pitch_frequency(x = t.tensor(&[2, 400]), r = t.rate(), f = t.number(), n = t.size(), a = t.rate(), b = t.rate()) =>
            detect_pitch_frequency(&x, r, PitchOptions::default().frame_time(f).win_length(n).freq_low(a).freq_high(b));
        detect_pitch_frequency_times(x = t.tensor(&[2, 400]), r = t.rate(), f = t.number(), n = t.size()) =>
            detect_pitch_frequency(&x, r, PitchOptions::default().frame_time(f).win_length(n));
        mask_along_axis(x = t.tensor(&[2, 5, 7]), n = t.size(), v = t.number(), p = t.number(), f = t.switch()) =>
            mask_along_axis(&x, n, v, if f { MaskAxis::Frequency } else { MaskAxis::Time }, p);
        mask_along_axis_iid(x = t.tensor(&[2, 2, 5, 7]), n = t.size(), v = t.number(), p = t.number(), f = t.switch()) =>
            mask_along_axis_iid(&x, n, v, if f { MaskAxis::Frequency } else { MaskAxis::Time }, p);
        vad(x = t.tensor(&[2, 4000]), r = t.rate(), a = t.number(), b = t.number(), c = t.number()) =>
            vad(&x, r, VadOptions::default().trigger_level(a).trigger_time(b).boot_time(c));
        vad_search(x = t.tensor(&[2, 4000]), r = t.rate(), a = t.number(), b = t.number(), c = t.number()) =>
            vad(&x, r, VadOptions::default().search_time(a).allowed_gap(b).pre_trigger_time(c));
        vad_noise(x = t.tensor(&[2, 4000]), r = t.rate(), a = t.number(), b = t.number(), c = t.number()) =>
            vad(&x, r, VadOptions::default().noise_up_time(a).measure_freq(b).measure_duration(c));
    }
    t.report();
}

#[test]
fn alignment_and_channels() {
    let mut t = Thrown::default();
    let loading = |t: &mut Thrown| DiagonalLoading::new().diagonal_loading(t.switch()).diag_eps(t.number());
    throw! { t;
        forced_align(x = t.tensor(&[1, 9, 5]), y = t.indices(&[1, 3], 5), b = t.size()) => forced_align(&x, &y, b);
        merge_tokens(x = t.indices(&[9], 3), y = t.tensor(&[9]), b = t.pick(&[0, -1, i64::MAX, i64::MIN])) => merge_tokens(&x, &y, b);
        rnnt_loss(x = t.tensor(&[2, 4, 3, 5]), y = t.indices(&[2, 2], 5), a = t.indices(&[2], 5), b = t.indices(&[2], 3), k = t.pick(&[-1, 0, 4, 5, isize::MAX, isize::MIN]), c = t.number(), f = t.switch()) =>
            rnnt_loss(&x, &y.to_dtype(DType::I32)?, &a.to_dtype(DType::I32)?, &b.to_dtype(DType::I32)?, RnntLossOptions::default().blank(k).clamp(c).fused_log_softmax(f));
        psd(x = t.tensor_of(&[3, 5, 7], C), m = t.tensor(&[5, 7]), n = t.switch(), e = t.number()) => psd(&x, Some(&m), n, e);
        apply_beamforming(w = t.tensor_of(&[5, 3], C), x = t.tensor_of(&[3, 5, 7], C)) => apply_beamforming(&w, &x);
        mvdr_weights_souden(a = t.tensor_of(&[5, 3, 3], C), b = t.tensor_of(&[5, 3, 3], C), n = t.size(), l = loading(&mut t)) => mvdr_weights_souden(&a, &b, n, l);
        mvdr_weights_rtf(a = t.tensor_of(&[5, 3], C), b = t.tensor_of(&[5, 3, 3], C), n = t.size(), l = loading(&mut t)) => mvdr_weights_rtf(&a, &b, Some(n.into()), l);
        rtf_evd(a = t.tensor_of(&[5, 3, 3], C)) => rtf_evd(&a);
        rtf_power(a = t.tensor_of(&[5, 3, 3], C), b = t.tensor_of(&[5, 3, 3], C), n = t.size(), k = t.pick(&[0, 1, 3]), l = loading(&mut t)) => rtf_power(&a, &b, n, k, l);
        frechet_distance(a = t.tensor(&[3]), b = t.tensor(&[3, 3]), c = t.tensor(&[3]), d = t.tensor(&[3, 3])) => frechet_distance(&a, &b, &c, &d);
    }
    t.report();
}

#[test]
fn kaldis_features() {
    let mut t = Thrown::default();
    let frame = |t: &mut Thrown| {
        kaldi::FrameOptions::new()
            .frame_length(number(t, 25.0))
            .frame_shift(number(t, 10.0))
            .sample_frequency(number(t, 8000.0))
            .min_duration(number(t, 0.0))
            .energy_floor(number(t, 1.0))
            .snip_edges(t.switch())
            .round_to_power_of_two(t.switch())
    };
    throw! { t;
        spectrogram(x = t.tensor(&[1, 2000]), o = frame(&mut t)) => kaldi::spectrogram(&x, o);
        fbank(x = t.tensor(&[1, 2000]), o = frame(&mut t), n = of(&mut t, 23), a = number(&mut t, 20.0), b = number(&mut t, 0.0), w = number(&mut t, 1.0)) =>
            kaldi::fbank(&x, kaldi::FbankOptions::new().frame(o).num_mel_bins(n).low_freq(a).high_freq(b).vtln_warp(w));
        fbank_bins(x = t.tensor(&[1, 2000]), o = frame(&mut t), n = of(&mut t, 23)) => kaldi::fbank(&x, kaldi::FbankOptions::new().frame(o).num_mel_bins(n));
        mfcc(x = t.tensor(&[1, 2000]), o = frame(&mut t), n = of(&mut t, 13), a = t.number()) =>
            kaldi::mfcc(&x, kaldi::MfccOptions::new().fbank(kaldi::FbankOptions::new().frame(o)).num_ceps(n).cepstral_lifter(a));
        get_mel_banks(n = t.size(), f = t.number(), m = t.size(), a = t.number(), b = t.number()) =>
            kaldi::get_mel_banks(n, f, &kaldi::FbankOptions::new().num_mel_bins(m).low_freq(a).high_freq(b));
        vtln_warp_freq(a = t.number(), b = t.number(), c = t.number(), d = t.number(), e = t.number(), x = t.tensor(&[9])) => kaldi::vtln_warp_freq((a, b), (c, d), e, &x);
        vtln_warp_mel_freq(a = t.number(), b = t.number(), c = t.number(), d = t.number(), e = t.number(), x = t.tensor(&[9])) => kaldi::vtln_warp_mel_freq((a, b), (c, d), e, &x);
    }
    t.report();
}

#[test]
fn transforms() {
    let mut t = Thrown::default();
    throw! { t;
        mfcc(x = t.tensor(&[1, 400]), r = t.rate(), n = t.size()) => MFCC::new(r).n_mfcc(n).build()?.call(&x);
        lfcc(x = t.tensor(&[1, 400]), r = t.rate(), n = t.size(), f = t.size(), a = t.number(), b = t.number()) => LFCC::new(r).n_lfcc(n).n_filter(f).f_min(a).f_max(b).build()?.call(&x);
        mel_spectrogram(x = t.tensor(&[1, 400]), r = t.rate(), n = of(&mut t, 64), h = of(&mut t, 32), w = of(&mut t, 64), p = of(&mut t, 0), m = of(&mut t, 8)) =>
            MelSpectrogram::new(r).n_fft(n).hop_length(h).win_length(w).pad(p).n_mels(m).build()?.call(&x);
        mel_scale(x = t.tensor(&[1, 5, 7]), r = t.rate(), n = of(&mut t, 5), m = t.size(), a = t.number(), b = t.number()) => MelScale::new(r).n_stft(n).n_mels(m).f_min(a).f_max(b).build()?.call(&x);
        inverse_mel_scale(x = t.tensor(&[1, 3, 7]), r = t.rate(), n = t.size(), m = of(&mut t, 3)) => InverseMelScale::new(r, n).n_mels(m).build()?.call(&x);
        resample(x = t.tensor(&[1, 20]), a = t.rate(), b = t.rate(), w = of(&mut t, 6), m = methods(&mut t)) => Resample::new(a, b).lowpass_filter_width(w).resampling_method(m).build()?.call(&x);
        time_masking(x = t.tensor(&[2, 5, 7]), n = t.size(), p = t.number(), i = t.switch()) => TimeMasking::new(n).p(p).iid_masks(i).build()?.call(&x);
        frequency_masking(x = t.tensor(&[2, 5, 7]), n = t.size(), i = t.switch()) => FrequencyMasking::new(n).iid_masks(i).build()?.call(&x);
        spec_augment(x = t.tensor(&[2, 5, 7]), n = t.pick(&[0, 1, 3]), a = t.size(), m = t.pick(&[0, 1, 3]), b = t.size(), p = t.number()) => SpecAugment::new(n, a, m, b).p(p).build()?.call(&x);
        griffin_lim(x = t.tensor(&[2, 5, 7]), n = of(&mut t, 8), h = of(&mut t, 4), w = of(&mut t, 8)) => GriffinLim::new().n_fft(n).hop_length(h).win_length(w).n_iter(2).build()?.call(&x);
        pad_trim(x = t.tensor(&[2, 40]), n = t.size()) => PadTrim::new(n).call(&x);
        spectrogram(x = t.tensor(&[2, 40]), n = of(&mut t, 8), h = of(&mut t, 4), w = of(&mut t, 8), p = of(&mut t, 0), m = pads(&mut t)) =>
            T::Spectrogram::new().n_fft(n).hop_length(h).win_length(w).pad(p).pad_mode(m).build()?.call(&x);
        fade(x = t.tensor(&[2, 40]), a = t.size(), b = t.size()) => T::Fade::new().fade_in_len(a).fade_out_len(b).build()?.call(&x);
        vol(x = t.tensor(&[2, 40]), g = t.number(), k = t.pick(&[T::GainType::Amplitude, T::GainType::Power, T::GainType::Db])) => T::Vol::new(g).gain_type(k).build()?.call(&x);
        time_stretch(x = t.tensor_of(&[2, 5, 7], C), h = t.size(), n = of(&mut t, 5), r = t.number()) => TimeStretch::new().hop_length(h).n_freq(n).fixed_rate(r).build()?.call(&*x);
        pitch_shift(x = t.tensor(&[1, 400]), r = t.rate(), n = t.pick(&[0, 3, i32::MAX, i32::MIN]), f = of(&mut t, 64)) => PitchShift::new(r, n).n_fft(f).build()?.call(&x);
    }
    t.report();
}

/// Words as one may write them, with numbers that nobody means.
#[test]
fn chains_of_effects() {
    const EFFECTS: [&str; 36] = [
        "gain -n #",
        "norm #",
        "vol #",
        "vol #dB",
        "rate #",
        "speed #",
        "tempo #",
        "pitch #",
        "trim # #",
        "trim # =#",
        "pad # #",
        "repeat #",
        "fade t # # #",
        "fade # #",
        "silence 1 # #%",
        "silence 1 # #% -1 # #%",
        "remix #,#v#",
        "remix #-#",
        "channels #",
        "reverb # # # # # #",
        "echo 0.8 # # #",
        "chorus 0.7 0.9 # 0.4 # # -s",
        "compand #,# #,#",
        "compand 0.3,1 -60,-40,-30,-15 # #",
        "phaser 0.6 0.66 # 0.6 # -t",
        "flanger # # # # #",
        "tremolo # #",
        "contrast #",
        "dcshift # #",
        "overdrive # #",
        "highpass # #q",
        "band # #",
        "allpass #k #o",
        "bass # # #",
        "equalizer # #q #",
        "biquad # # # # # #",
    ];
    const NUMBERS: [&str; 24] = [
        "0",
        "1",
        "-1",
        "2",
        "0.5",
        "50",
        "1000",
        "nan",
        "inf",
        "-inf",
        "1e300",
        "1e-300",
        "4294967295",
        "1e15",
        "-0",
        "8000s",
        "99999999999999999999s",
        "1:30",
        "1e9:1",
        "0.3",
        "0.3",
        "0.01",
        "3",
        "5",
    ];
    let mut t = Thrown::default();
    let words = |t: &mut Thrown| -> Vec<String> {
        (0..t.pick(&[1, 1, 2]))
            .map(|_| {
                let effect = t.pick(&EFFECTS);
                let mut parts = effect.split('#');
                let first = parts.next().unwrap_or_default().to_string();
                parts.fold(first, |text, part| text + t.pick(&NUMBERS) + part)
            })
            .collect()
    };
    for _ in 0..20 {
        throw! { t;
            effects(x = t.tensor(&[2, 400]), r = t.pick(&[1, 8000, 8000, u32::MAX]), w = words(&mut t)) => EffectsChain::of(&w)?.apply(&x, r);
        }
    }
    t.report();
}

/// What a draw seldom finds: many channels of nothing, and none of many frames.
#[test]
fn many_of_nothing() -> Result<()> {
    let (channels, frames) = (Tensor::zeros([1usize << 40, 0]).build()?, Tensor::zeros([0, 1usize << 40]).build()?);
    assert_eq!(EffectsChain::of(["remix 3-5"])?.apply(&channels, 8000).unwrap_err().kind(), ErrorKind::Memory);
    assert_eq!(EffectsChain::of(["fade 1 2"])?.apply(&frames, 8000).unwrap_err().kind(), ErrorKind::Shape);
    Ok(())
}
