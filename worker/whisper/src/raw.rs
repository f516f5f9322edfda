//! The calls into whisper.cpp: a context (the weights), a state (one decoding), and what a decoding brought forth.
//!
//! Belongs here: the `unsafe` blocks of decoding, and nothing that could do without. The wrapper types of
//! whisper-rs are not used: their setters for language, prompt and callbacks hand memory to C and never take it
//! back, and their safe abort callback calls the closure at the wrong type. Here all memory that C sees is
//! borrowed for the length of one call.
#![expect(
    unsafe_code,
    reason = "whisper.cpp is C++: every call into it is unsafe, and all of them are in here"
)]

use std::cell::Cell;
use std::ffi::{CStr, CString, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use steno_shared::catalog::AlignmentHead;
use whisper_rs::whisper_rs_sys as sys;

/// whisper.cpp keeps this much memory ready for aligning words to sound (its own default).
const ALIGNMENT_MEMORY: usize = 128 << 20;
/// whisper.cpp numbers the tokens in `int`s.
pub(crate) type TokenId = c_int;

/// The weights of a model, shared by all its states.
#[derive(Debug)]
pub(crate) struct Context {
    pointer: NonNull<sys::whisper_context>,
    /// whisper.cpp keeps a pointer to them.
    _heads: Box<[sys::whisper_ahead]>,
    /// States are opened one at a time: opening registers backends.
    opening: Mutex<()>,
    /// Facts about the model.
    pub(crate) vocabulary: Vocabulary,
}

// SAFETY: after loading, whisper.cpp only reads the context; all that changes lives in the states, each of which
// has its own backends.
unsafe impl Send for Context {}
// SAFETY: as above.
unsafe impl Sync for Context {}

/// The numbers that tell the tokens of a model apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Vocabulary {
    /// How many tokens there are.
    pub(crate) size: usize,
    /// Ends the text. All smaller numbers are text.
    pub(crate) end_of_text: TokenId,
    /// Starts the transcript.
    pub(crate) start: TokenId,
    /// Says that nobody speaks.
    pub(crate) no_speech: TokenId,
    /// Time 0.00; each number above it is 0.02 s later.
    pub(crate) first_time: TokenId,
    /// False for models that know English alone.
    pub(crate) multilingual: bool,
    /// How many positions the encoder has, 50 a second.
    pub(crate) audio_positions: usize,
    /// How many positions the decoder has.
    pub(crate) text_positions: usize,
}

impl Context {
    /// Loads a model in ggml format. With heads given, words are aligned to sound by dynamic time warping of the
    /// attention of these heads.
    pub(crate) fn load(path: &Path, heads: &[AlignmentHead]) -> Option<Self> {
        crate::log::install();
        let file = CString::new(path.as_os_str().as_bytes()).ok()?;
        let heads: Box<[_]> = heads
            .iter()
            .map(|head| sys::whisper_ahead { n_text_layer: head.layer.into(), n_head: head.head.into() })
            .collect();
        // SAFETY: takes nothing.
        let mut params = unsafe { sys::whisper_context_default_params() };
        params.use_gpu = cfg!(feature = "cuda");
        // Measured on a CPU with the whisper.cpp of this build: slower by a tenth (base), a fifth (tiny), a quarter
        // (mini). On GPUs it is published to be faster by far, and it excludes alignment.
        params.flash_attn = cfg!(feature = "cuda") && heads.is_empty();
        params.dtw_token_timestamps = !heads.is_empty();
        params.dtw_mem_size = ALIGNMENT_MEMORY;
        if !heads.is_empty() {
            params.dtw_aheads_preset = sys::whisper_alignment_heads_preset_WHISPER_AHEADS_CUSTOM;
            params.dtw_aheads = sys::whisper_aheads { n_heads: heads.len(), heads: heads.as_ptr() };
        }
        // SAFETY: the path ends in NUL; the heads live as long as the context (their box does not move).
        let pointer = unsafe { sys::whisper_init_from_file_with_params_no_state(file.as_ptr(), params) };
        let pointer = NonNull::new(pointer)?;
        Some(Self { pointer, _heads: heads, opening: Mutex::new(()), vocabulary: Vocabulary::of(pointer) })
    }

    /// The tokens of a text. What the model has no token for is left out.
    pub(crate) fn tokenize(&self, text: &CStr) -> Vec<TokenId> {
        // No token is shorter than a byte.
        let mut tokens = vec![0; text.count_bytes()];
        // SAFETY: the context is loaded; the text ends in NUL; the array has room for as many tokens as it says.
        let count = unsafe {
            sys::whisper_tokenize(
                self.pointer.as_ptr(),
                text.as_ptr(),
                tokens.as_mut_ptr(),
                tokens.len() as c_int,
            )
        };
        tokens.truncate(unsigned(count));
        tokens
    }
}

impl Vocabulary {
    /// How many tokens of a prompt the decoder takes: half of its positions, of which one says that a prompt
    /// follows.
    pub(crate) fn prompt_positions(&self) -> usize {
        (self.text_positions / 2).saturating_sub(1)
    }

    fn of(context: NonNull<sys::whisper_context>) -> Self {
        let context = context.as_ptr();
        // SAFETY: the context is loaded; these read fields of it.
        unsafe {
            Self {
                size: unsigned(sys::whisper_n_vocab(context)),
                end_of_text: sys::whisper_token_eot(context),
                start: sys::whisper_token_sot(context),
                no_speech: sys::whisper_token_nosp(context),
                first_time: sys::whisper_token_beg(context),
                multilingual: sys::whisper_is_multilingual(context) != 0,
                audio_positions: unsigned(sys::whisper_n_audio_ctx(context)),
                text_positions: unsigned(sys::whisper_n_text_ctx(context)),
            }
        }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: loaded by `load`, freed once; states hold an Arc of it, so none is left.
        unsafe { sys::whisper_free(self.pointer.as_ptr()) }
    }
}

/// One decoding at a time.
#[derive(Debug)]
pub(crate) struct State {
    context: Arc<Context>,
    /// None once whisper.cpp has freed it by itself, which it does when memory for more decoders runs out.
    pointer: Option<NonNull<sys::whisper_state>>,
}

// SAFETY: whisper.cpp binds a state to no thread; `&mut self` keeps two threads from using it at once.
unsafe impl Send for State {}

/// What a decoding shall do.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    /// Whisper's code of the language spoken.
    pub(crate) language: &'a CStr,
    /// What is taken for the text before: its last [`Vocabulary::prompt_positions`] tokens.
    pub(crate) prompt: &'a [TokenId],
    /// Positions of the encoder in use.
    pub(crate) audio_positions: usize,
    /// At most this many tokens are written.
    pub(crate) tokens: usize,
    /// How many texts are followed at once; 1 takes the likeliest token each time.
    pub(crate) beams: u8,
    /// The first temperature tried; 0 takes the most likely token each time.
    pub(crate) temperature: f32,
    /// What is added to the temperature when a text fails whisper.cpp's tests; 0 tries once only.
    pub(crate) temperature_step: f32,
    /// How often the encoder may run: 0 only computes the spectrogram.
    pub(crate) encodes: u32,
    /// Looked at after each step of the decoder.
    pub(crate) stop: &'a AtomicBool,
}

/// A token of a result.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RawToken {
    /// Its number.
    pub(crate) id: TokenId,
    /// What it stands for; not always whole characters.
    pub(crate) bytes: Vec<u8>,
    /// Its log-probability.
    pub(crate) log_probability: f32,
    /// When it ends by dynamic time warping, in hundredths of a second; negative without.
    pub(crate) aligned_end: i64,
}

/// whisper.cpp returned this code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Code(pub(crate) c_int);

/// whisper.cpp frees the state when this is returned.
const STATE_IS_GONE: Code = Code(-7);
/// Made up here: the state was freed.
const NO_STATE: Code = Code(-100);

/// What the callbacks of one call look at. It outlives the call, on the caller's stack.
struct Watch<'a> {
    stop: &'a AtomicBool,
    encodes_left: Cell<u32>,
}

impl Watch<'_> {
    /// # Safety
    /// `data` is the `Watch` of the call under way.
    unsafe extern "C" fn must_stop(data: *mut c_void) -> bool {
        // SAFETY: see above; only shared references are made, all on the thread of the call.
        let watch = unsafe { &*data.cast::<Watch<'_>>() };
        watch.stop.load(Ordering::Relaxed)
    }

    /// # Safety
    /// `data` is the `Watch` of the call under way.
    unsafe extern "C" fn may_encode(
        _: *mut sys::whisper_context,
        _: *mut sys::whisper_state,
        data: *mut c_void,
    ) -> bool {
        // SAFETY: see above.
        let watch = unsafe { &*data.cast::<Watch<'_>>() };
        let left = watch.encodes_left.get();
        watch.encodes_left.set(left.saturating_sub(1));
        left > 0 && !watch.stop.load(Ordering::Relaxed)
    }
}

impl State {
    /// Opens a state: some 100 MB for the miniature model, up to 1 GB for large-v3.
    pub(crate) fn open(context: &Arc<Context>) -> Option<Self> {
        let _one_at_a_time = context.opening.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the context is loaded, and the state keeps it alive.
        let pointer = unsafe { sys::whisper_init_state(context.pointer.as_ptr()) };
        Some(Self { context: Arc::clone(context), pointer: Some(NonNull::new(pointer)?) })
    }

    fn pointer(&self) -> Result<*mut sys::whisper_state, Code> {
        self.pointer.map(NonNull::as_ptr).ok_or(NO_STATE)
    }

    /// Decodes `samples`: at least 201 of them (fewer read beyond the end) and at most 30 s.
    pub(crate) fn decode(&mut self, samples: &[f32], request: &Request<'_>) -> Result<(), Code> {
        let state = self.pointer()?;
        let watch = Watch { stop: request.stop, encodes_left: Cell::new(request.encodes) };
        let data = std::ptr::from_ref(&watch).cast_mut().cast::<c_void>();
        let mut params = parameters(request);
        params.abort_callback = Some(Watch::must_stop);
        params.abort_callback_user_data = data;
        params.encoder_begin_callback = Some(Watch::may_encode);
        params.encoder_begin_callback_user_data = data;
        // SAFETY: context and state are alive and the state is not in use elsewhere; samples, language, prompt and
        // watch outlive the call; the callbacks do not unwind.
        let code = Code(unsafe {
            sys::whisper_full_with_state(
                self.context.pointer.as_ptr(),
                state,
                params,
                samples.as_ptr(),
                samples.len() as c_int,
            )
        });
        if code == STATE_IS_GONE {
            self.pointer = None;
        }
        if code.0 == 0 { Ok(()) } else { Err(code) }
    }

    /// How likely each language is, by whisper.cpp's numbers. The spectrogram is that of the last
    /// [`State::decode`].
    pub(crate) fn languages(&mut self) -> Result<Vec<f32>, Code> {
        // SAFETY: takes nothing.
        let count = unsigned(unsafe { sys::whisper_lang_max_id() }) + 1;
        let mut probabilities = vec![0.0; count];
        // SAFETY: as in `decode`; the array has room for every language.
        let found = unsafe {
            sys::whisper_lang_auto_detect_with_state(
                self.context.pointer.as_ptr(),
                self.pointer()?,
                0,
                1,
                probabilities.as_mut_ptr(),
            )
        };
        if found < 0 { Err(Code(found)) } else { Ok(probabilities) }
    }

    /// The tokens of the last [`State::decode`].
    pub(crate) fn tokens(&self) -> Result<Vec<RawToken>, Code> {
        let (context, state) = (self.context.pointer.as_ptr(), self.pointer()?);
        let mut tokens = Vec::new();
        // SAFETY: the indices stay below the counts; the text belongs to the context and ends in NUL.
        unsafe {
            for segment in 0..sys::whisper_full_n_segments_from_state(state) {
                for token in 0..sys::whisper_full_n_tokens_from_state(state, segment) {
                    let text = sys::whisper_full_get_token_text_from_state(context, state, segment, token);
                    let fields = sys::whisper_full_get_token_data_from_state(state, segment, token);
                    tokens.push(RawToken {
                        id: fields.id,
                        bytes: if text.is_null() {
                            Vec::new()
                        } else {
                            CStr::from_ptr(text).to_bytes().to_vec()
                        },
                        log_probability: fields.plog,
                        aligned_end: fields.t_dtw,
                    });
                }
            }
        }
        Ok(tokens)
    }

    /// How likely it is that nobody speaks in the audio encoded last, by a step of the decoder of its own:
    /// whisper.cpp's own figure reads logits that were never computed (1.8.3, prompts of several tokens).
    pub(crate) fn no_speech_probability(&mut self) -> Result<f64, Code> {
        let state = self.pointer()?;
        let Vocabulary { size, start, no_speech, .. } = self.context.vocabulary;
        // SAFETY: as in `decode`; one token is read. Afterwards the first row of logits is filled, `size` long.
        let logits = unsafe {
            let code = sys::whisper_decode_with_state(
                self.context.pointer.as_ptr(),
                state,
                &raw const start,
                1,
                0,
                1,
            );
            if code != 0 {
                return Err(Code(code));
            }
            std::slice::from_raw_parts(sys::whisper_get_logits_from_state(state), size)
        };
        let greatest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f32 = logits.iter().map(|logit| (logit - greatest).exp()).sum();
        let own = logits.get(unsigned(no_speech)).copied().unwrap_or(f32::NEG_INFINITY);
        Ok(f64::from((own - greatest).exp() / sum))
    }
}

impl Drop for State {
    fn drop(&mut self) {
        if let Some(pointer) = self.pointer {
            // SAFETY: opened by `open`, freed once.
            unsafe { sys::whisper_free_state(pointer.as_ptr()) }
        }
    }
}

fn parameters(request: &Request<'_>) -> sys::whisper_full_params {
    let strategy = match request.beams {
        0 | 1 => sys::whisper_sampling_strategy_WHISPER_SAMPLING_GREEDY,
        _ => sys::whisper_sampling_strategy_WHISPER_SAMPLING_BEAM_SEARCH,
    };
    // SAFETY: takes a constant.
    let mut params = unsafe { sys::whisper_full_default_params(strategy) };
    params.n_threads = 1;
    params.language = request.language.as_ptr();
    params.audio_ctx = request.audio_positions as c_int;
    params.max_tokens = request.tokens as c_int;
    params.temperature = request.temperature;
    params.temperature_inc = request.temperature_step;
    params.greedy.best_of = BEST_OF;
    params.beam_search.beam_size = c_int::from(request.beams);
    // The text of the chunk before is no context; the prompt is.
    params.no_context = true;
    params.n_max_text_ctx = if request.prompt.is_empty() { 0 } else { c_int::MAX };
    params.prompt_tokens = if request.prompt.is_empty() { std::ptr::null() } else { request.prompt.as_ptr() };
    params.prompt_n_tokens = request.prompt.len() as c_int;
    params.single_segment = true;
    params.suppress_nst = true;
    // The figure it is compared with is not computed (see `no_speech_probability`): never true, so that the
    // result does not depend on what the state did before.
    params.no_speech_thold = 2.0;
    params.print_progress = false;
    params.print_realtime = false;
    params.print_timestamps = false;
    params
}

/// Candidates where whisper.cpp draws tokens at random.
const BEST_OF: c_int = 2;

/// whisper.cpp counts in `int`s that are never negative.
fn unsigned(number: c_int) -> usize {
    usize::try_from(number).unwrap_or(0)
}
