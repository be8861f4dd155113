//! Sequences of different lengths in one batch: `torch.nn.utils.rnn`. Padded, they are filled up to the longest;
//! packed, only what they have is kept, step by step, so that a recurrent layer does no work for the filling.

use flambeau_tensor::{DType, Result, Scalar, Tensor, Tensors, cat, ensure, stack};

/// Sequences in the order of their lengths, the longest first, step by step: `torch.nn.utils.rnn.PackedSequence`.
/// Made by [`pack_padded_sequence`] and [`pack_sequence`].
#[derive(Clone, Debug)]
pub struct PackedSequence {
    data: Tensor,
    batch_sizes: Vec<usize>,
    /// Where each sequence of the batch as given stands among the sorted ones, and the other way round.
    order: Option<Order>,
}

#[derive(Clone, Debug)]
struct Order {
    sorted: Tensor,
    unsorted: Tensor,
}

/// The elements; the numbers of the sequences are no part of the computation.
impl Tensors for PackedSequence {
    fn visit_tensors(&self, f: &mut dyn FnMut(&Tensor)) {
        f(&self.data);
    }

    fn visit_tensors_mut(&mut self, f: &mut dyn FnMut(&mut Tensor)) {
        f(&mut self.data);
    }
}

impl PackedSequence {
    /// The elements: those of the first step of all sequences, then those of the second step, …: `[Σ lengths, *]`.
    pub fn data(&self) -> &Tensor {
        &self.data
    }

    /// How many sequences have a first step, a second one, …; never rising.
    pub fn batch_sizes(&self) -> &[usize] {
        &self.batch_sizes
    }

    /// The numbers of the sequences in the order in which they are packed; none where they came sorted.
    pub fn sorted_indices(&self) -> Option<&Tensor> {
        self.order.as_ref().map(|order| &order.sorted)
    }

    /// Where each sequence of the batch stands among the packed ones; none where they came sorted.
    pub fn unsorted_indices(&self) -> Option<&Tensor> {
        self.order.as_ref().map(|order| &order.unsorted)
    }

    /// The same sequences with other elements, of as many steps.
    #[track_caller]
    pub(crate) fn with_data(&self, data: Tensor) -> PackedSequence {
        PackedSequence { data, ..self.clone() }
    }

    /// The length of each sequence, in the order of the batch as it was given.
    ///
    /// # Errors
    /// Where the sizes of the batches cannot be read.
    pub fn lengths(&self) -> Result<Vec<usize>> {
        let sequences = self.batch_sizes.first().copied().unwrap_or(0);
        let sorted: Vec<usize> =
            (0..sequences).map(|i| self.batch_sizes.iter().take_while(|size| **size > i).count()).collect();
        match &self.order {
            None => Ok(sorted),
            Some(order) => Ok(order.unsorted.to_vec::<i64>()?.into_iter().map(|i| sorted[i as usize]).collect()),
        }
    }
}

/// Packs a padded batch `input`, `[T, N, *]`, or `[N, T, *]` where `batch_first`, of sequences with the numbers of
/// steps `lengths`: `torch.nn.utils.rnn.pack_padded_sequence`. Sequences that are not sorted by falling length are
/// taken in that order, unless `enforce_sorted` makes it an error.
///
/// ```
/// use flambeau_nn::utils::rnn::{pack_padded_sequence, pad_packed_sequence};
/// use flambeau_tensor::tensor;
///
/// let padded = tensor!([[1.0, 2.0, 0.0], [3.0, 0.0, 0.0], [4.0, 5.0, 6.0]]);
/// let packed = pack_padded_sequence(&padded, &[2, 1, 3], true, false)?;
/// assert_eq!(packed.data().to_vec::<f32>()?, [4.0, 1.0, 3.0, 5.0, 2.0, 6.0]);
/// assert_eq!(packed.batch_sizes(), [3, 2, 1]);
/// let (again, lengths) = pad_packed_sequence(&packed, true, 0.0, None)?;
/// assert_eq!((again.to_vec::<f32>()?, lengths), (padded.to_vec::<f32>()?, vec![2, 1, 3]));
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
///
/// # Errors
/// Where there is not one length from 1 to T for each sequence, or they are not sorted and must be.
#[track_caller]
pub fn pack_padded_sequence(
    input: &Tensor,
    lengths: &[usize],
    batch_first: bool,
    enforce_sorted: bool,
) -> Result<PackedSequence> {
    const NAME: &str = "pack_padded_sequence";
    ensure!(input.rank() >= 2, Shape, NAME, "shape {:?} is not [T, N, …]", input.shape());
    let input = if batch_first { input.transpose(0, 1)? } else { input.clone() };
    let (steps, sequences) = (input.shape()[0], input.shape()[1]);
    ensure!(
        lengths.len() == sequences && sequences > 0,
        Argument,
        NAME,
        "{} lengths for {sequences} sequences: each takes one, and there must be one or more",
        lengths.len()
    );
    for (i, length) in lengths.iter().enumerate() {
        ensure!(
            (1..=steps).contains(length),
            Argument,
            NAME,
            "sequence {i} has length {length}, which is not from 1 to {steps}, the steps there are"
        );
    }
    let (input, lengths, order) = if enforce_sorted {
        let sorted = lengths.windows(2).all(|pair| pair[0] >= pair[1]);
        ensure!(
            sorted,
            Argument,
            NAME,
            "the lengths {lengths:?} are not sorted, the longest first; enforce_sorted = false sorts them"
        );
        (input, lengths.to_vec(), None)
    } else {
        let order = by_length(lengths, &input)?;
        let lengths = order.sorted.to_vec::<i64>()?.into_iter().map(|i| lengths[i as usize]).collect();
        (input.index_select(1, &order.sorted)?, lengths, Some(order))
    };
    let mut batch_sizes = Vec::with_capacity(lengths[0]);
    let mut pieces = Vec::new();
    let mut sequences = lengths.len();
    for step in 0..lengths[0] {
        while lengths[sequences - 1] <= step {
            sequences -= 1;
        }
        batch_sizes.push(sequences);
        pieces.push(input.select(0, step as isize)?.narrow(0, 0, sequences)?);
    }
    Ok(PackedSequence { data: cat(&pieces, 0)?, batch_sizes, order })
}

/// The order by falling length, those of equal length as they are.
#[track_caller]
fn by_length(lengths: &[usize], input: &Tensor) -> Result<Order> {
    let mut sorted: Vec<usize> = (0..lengths.len()).collect();
    sorted.sort_by_key(|i| std::cmp::Reverse(lengths[*i]));
    let mut unsorted = vec![0i64; sorted.len()];
    sorted.iter().enumerate().for_each(|(place, i)| unsorted[*i] = place as i64);
    let sorted: Vec<i64> = sorted.into_iter().map(|i| i as i64).collect();
    let on_device = |list: Vec<i64>| {
        let n = list.len();
        Tensor::from_vec(list, n)?.to_device(input.device())
    };
    Ok(Order { sorted: on_device(sorted)?, unsorted: on_device(unsorted)? })
}

/// The padded batch, `[T, N, *]`, or `[N, T, *]` where `batch_first`, with `padding_value` behind the shorter
/// sequences, and their lengths: `torch.nn.utils.rnn.pad_packed_sequence`. T is the longest length, or
/// `total_length`.
///
/// # Errors
/// Where `total_length` is below the longest length.
#[track_caller]
pub fn pad_packed_sequence(
    sequence: &PackedSequence,
    batch_first: bool,
    padding_value: impl Into<Scalar>,
    total_length: Option<usize>,
) -> Result<(Tensor, Vec<usize>)> {
    let longest = sequence.batch_sizes.len();
    let steps = total_length.unwrap_or(longest);
    ensure!(
        steps >= longest,
        Argument,
        "pad_packed_sequence",
        "a total length of {steps} is below {longest}, that of the longest sequence"
    );
    let (data, value) = (&sequence.data, padding_value.into());
    let sequences = sequence.batch_sizes[0];
    let shape = [&[sequences][..], &data.shape()[1..]].concat();
    let mut rows = Vec::with_capacity(longest);
    let mut offset = 0;
    for size in &sequence.batch_sizes {
        let row = data.narrow(0, offset as isize, *size)?;
        rows.push(row.fit(0, sequences, value)?);
        offset += size;
    }
    let mut padded = stack(&rows, 0)?;
    if steps > longest {
        let filling = Tensor::full([&[steps - longest][..], &shape].concat(), value).dtype(data.dtype());
        padded = cat(&[padded, filling.device(data.device()).build()?], 0)?;
    }
    if let Some(order) = &sequence.order {
        padded = padded.index_select(1, &order.unsorted)?;
    }
    let padded = if batch_first { padded.transpose(0, 1)? } else { padded };
    Ok((padded, sequence.lengths()?))
}

/// The sequences `[L, *]` of different lengths L in one tensor `[T, N, *]`, or `[N, T, *]` where `batch_first`, with
/// `padding_value` behind the shorter ones: `torch.nn.utils.rnn.pad_sequence`.
///
/// # Errors
/// Where there are none, or they differ in more than their lengths.
#[track_caller]
pub fn pad_sequence<T: AsRef<Tensor>>(
    sequences: &[T],
    batch_first: bool,
    padding_value: impl Into<Scalar>,
) -> Result<Tensor> {
    let value = padding_value.into();
    let lengths = sequence_lengths("pad_sequence", sequences)?;
    let longest = lengths.iter().copied().max().unwrap_or(0);
    let mut rows = Vec::with_capacity(sequences.len());
    for sequence in sequences {
        rows.push(sequence.as_ref().fit(0, longest, value)?);
    }
    stack(&rows, if batch_first { 0 } else { 1 })
}

/// The sequences of a padded batch, `[T, N, *]`, or `[N, T, *]` where `batch_first`:
/// `torch.nn.utils.rnn.unpad_sequence`.
///
/// # Errors
/// Where there is not one length up to T for each sequence.
#[track_caller]
pub fn unpad_sequence(padded: &Tensor, lengths: &[usize], batch_first: bool) -> Result<Vec<Tensor>> {
    const NAME: &str = "unpad_sequence";
    ensure!(padded.rank() >= 2, Shape, NAME, "shape {:?} is not [T, N, …]", padded.shape());
    let padded = if batch_first { padded.clone() } else { padded.transpose(0, 1)? };
    let (n, steps) = (padded.shape()[0], padded.shape()[1]);
    ensure!(lengths.len() == n, Argument, NAME, "{} lengths for {n} sequences", lengths.len());
    let mut list = Vec::with_capacity(n);
    for (i, length) in lengths.iter().enumerate() {
        ensure!(*length <= steps, Argument, NAME, "sequence {i} of length {length} has only {steps} steps");
        list.push(padded.select(0, i as isize)?.narrow(0, 0, *length)?);
    }
    Ok(list)
}

/// Packs sequences `[L, *]` of different lengths L: `torch.nn.utils.rnn.pack_sequence`.
///
/// # Errors
/// As [`pad_sequence`] and [`pack_padded_sequence`].
#[track_caller]
pub fn pack_sequence<T: AsRef<Tensor>>(sequences: &[T], enforce_sorted: bool) -> Result<PackedSequence> {
    let lengths = sequence_lengths("pack_sequence", sequences)?;
    pack_padded_sequence(&pad_sequence(sequences, false, 0.0)?, &lengths, false, enforce_sorted)
}

/// The sequences of a packed batch, in the order in which it was given: `torch.nn.utils.rnn.unpack_sequence`.
///
/// # Errors
/// Where the batch is on a device without data.
#[track_caller]
pub fn unpack_sequence(sequence: &PackedSequence) -> Result<Vec<Tensor>> {
    let (padded, lengths) = pad_packed_sequence(sequence, true, false, None)?;
    unpad_sequence(&padded, &lengths, true)
}

#[track_caller]
fn sequence_lengths<T: AsRef<Tensor>>(name: &'static str, sequences: &[T]) -> Result<Vec<usize>> {
    ensure!(!sequences.is_empty(), Argument, name, "there are no sequences");
    let first = sequences[0].as_ref();
    let mut lengths = Vec::with_capacity(sequences.len());
    for (i, sequence) in sequences.iter().enumerate() {
        let (shape, dtype): (&[usize], DType) = (sequence.as_ref().shape(), sequence.as_ref().dtype());
        ensure!(!shape.is_empty(), Shape, name, "sequence {i} is a scalar, it has no steps");
        ensure!(
            first.rank() == shape.len() && shape[1..] == first.shape()[1..] && dtype == first.dtype(),
            Shape,
            name,
            "sequence {i} is {dtype} {shape:?}, the first one {} {:?}: only the lengths may differ",
            first.dtype(),
            first.shape()
        );
        lengths.push(shape[0]);
    }
    Ok(lengths)
}
