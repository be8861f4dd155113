//! The closed list of names that a checkpoint may hold: that of `torch.load(weights_only=True)`. A name
//! stands for what the reader does, never for code.

use crate::stored::{F8, Stored};
use flambeau_tensor::DType;

/// What a name of a pickle stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Global {
    /// `collections.OrderedDict`, `Counter`
    Dict,
    /// `set`
    Set,
    /// `bytearray`, `bytes`
    Bytes,
    /// `complex`
    Complex,
    /// `_codecs.encode`, which makes bytes of text in old protocols.
    Encode,
    /// `torch.Size`
    Size,
    /// `torch.device`
    Device,
    /// `torch.float32`, …
    DType(Stored),
    /// `torch.FloatStorage`, …; none for the untyped one.
    Storage(Option<Stored>),
    /// `torch._utils._rebuild_tensor`, `_v2`
    RebuildTensor,
    /// `torch._utils._rebuild_tensor_v3`
    RebuildTensorV3,
    /// `torch._utils._rebuild_parameter`, `_with_state`, `torch.nn.parameter.Parameter`
    RebuildParameter,
    /// `torch._tensor._rebuild_from_type_v2`
    RebuildFromType,
    /// `torch._utils._rebuild_sparse_tensor`
    RebuildSparse,
    /// `torch.serialization._get_layout`
    GetLayout,
    /// `torch.sparse_coo`
    SparseCoo,
    /// A class of tensors, which stands as an argument only.
    TensorType,
    /// A class of a TorchScript archive: a module with attributes. Of NumPy an array or a type, with its state.
    Script,
    /// `torch.jit._pickle.build_intlist`, …: its argument.
    ScriptList,
}

/// The dtypes by the names that `torch` has for them and their storages.
const TYPES: [(&str, &str, Stored); 20] = {
    use DType::*;
    use Stored::Is;
    [
        ("bool", "Bool", Is(Bool)),
        ("uint8", "Byte", Is(U8)),
        ("int8", "Char", Is(I8)),
        ("int16", "Short", Is(I16)),
        ("int32", "Int", Is(I32)),
        ("int64", "Long", Is(I64)),
        ("float16", "Half", Is(F16)),
        ("bfloat16", "BFloat16", Is(BF16)),
        ("float32", "Float", Is(F32)),
        ("float64", "Double", Is(F64)),
        ("complex64", "ComplexFloat", Is(Complex64)),
        ("complex128", "ComplexDouble", Is(Complex128)),
        ("uint16", "", Is(U16)),
        ("uint32", "", Is(U32)),
        ("uint64", "", Is(U64)),
        ("float8_e4m3fn", "", Stored::F8(F8::E4M3)),
        ("float8_e5m2", "", Stored::F8(F8::E5M2)),
        ("float8_e8m0fnu", "", Stored::F8(F8::E8M0)),
        ("float8_e4m3fnuz", "", Stored::F8(F8::E4M3Fnuz)),
        ("float8_e5m2fnuz", "", Stored::F8(F8::E5M2Fnuz)),
    ]
};

/// What a pickle is of, which tells what may be named in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A checkpoint.
    Checkpoint,
    /// An archive of TorchScript: its classes, too.
    Script,
    /// Values of Python with arrays of NumPy.
    Numpy,
}

/// What `module.name` stands for. None for what is not on the list.
pub(super) fn lookup(module: &str, name: &str, kind: Kind) -> Option<Global> {
    let script = kind == Kind::Script;
    Some(match (module, name) {
        ("collections", "OrderedDict" | "Counter") => Global::Dict,
        ("builtins" | "__builtin__", "set") => Global::Set,
        ("builtins" | "__builtin__", "bytearray" | "bytes") => Global::Bytes,
        ("builtins" | "__builtin__", "complex") => Global::Complex,
        ("_codecs", "encode") => Global::Encode,
        ("torch", "Size") => Global::Size,
        ("torch", "device") => Global::Device,
        ("torch", "Tensor") => Global::TensorType,
        ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Global::RebuildTensor,
        ("torch._utils", "_rebuild_tensor_v3") => Global::RebuildTensorV3,
        ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state")
        | ("torch.nn.parameter", "Parameter") => Global::RebuildParameter,
        ("torch._utils", "_rebuild_sparse_tensor") => Global::RebuildSparse,
        ("torch.serialization", "_get_layout") => Global::GetLayout,
        ("torch._tensor", "_rebuild_from_type_v2") => Global::RebuildFromType,
        ("torch.storage" | "torch", "UntypedStorage") => Global::Storage(None),
        (
            "torch.jit._pickle",
            "build_intlist" | "build_doublelist" | "build_boollist" | "build_tensorlist" | "restore_type_tag",
        ) if script => Global::ScriptList,
        _ if script && (module == "__torch__" || module.starts_with("__torch__.")) => Global::Script,
        ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") | ("numpy", "ndarray" | "dtype")
            if kind == Kind::Numpy =>
        {
            Global::Script
        }
        ("torch" | "torch.cuda", _) => return torch(name),
        _ => return None,
    })
}

/// The dtypes and the storages.
fn torch(name: &str) -> Option<Global> {
    if let Some(kind) = name.strip_suffix("Storage") {
        let found = TYPES.iter().find(|(_, storage, _)| *storage == kind && !kind.is_empty())?;
        return Some(Global::Storage(Some(found.2)));
    }
    let found = TYPES.iter().find(|(dtype, ..)| *dtype == name)?;
    Some(Global::DType(found.2))
}

/// The name of the storage of `dtype`'s elements; empty where PyTorch has no class for it.
pub(super) fn storage_name(dtype: DType) -> &'static str {
    TYPES.iter().find(|(.., stored)| *stored == Stored::Is(dtype)).map_or("", |(_, storage, _)| storage)
}
