using SgLang.Interop;

namespace SgLang.Runtime;

/// <summary>
/// The operators, one file per header; meanings, shapes and aliasing rules are those of the headers in native/include/sgl. Outputs come before
/// inputs. Work is queued on the context's stream; shapes are checked by the library, which says what it expected and what came. In a meta
/// context every operator does nothing. No call allocates managed memory.
/// </summary>
public static unsafe partial class Ops
{
    /// <summary>Null where an optional tensor was left out.</summary>
    private static SglTensor* OrNull(Tensor* tensor) => tensor->IsNone ? null : (SglTensor*)tensor;
}
