namespace SgLang.Runtime;

/// <summary>What a trace calls the work of one call into the library.</summary>
internal enum Operator
{
    Linear,
    RmsNorm,
    AddRmsNorm,
    SiluMul,
    Add,
    AddSigmoidGated,
    Rope,
    RopeAppend,
    Embedding,
    TokenResolve,
    TokenScatter,
    GatherRows,
    GatherSum,
    Convert,
    KvAppend,
    KvCopy,
    Attention,
    MoeRoute,
    MoeExperts,
    Sample,
    Logprobs,
    ArgmaxShard,
    ArgmaxMerge,
    Copy,
    Fill,
}
