using SgLang.Grammars.Matching;

namespace SgLang.Engine;

/// <summary>What the sampler asks of a request's owner.</summary>
internal interface ISampledRequest
{
    /// <summary>Of every draw of the request.</summary>
    ulong Seed { get; }

    /// <summary>Ids that may not be drawn before min_new_tokens.</summary>
    int[] StopTokenIds { get; }

    /// <summary>Null when every token is allowed.</summary>
    CompiledGrammar? Grammar => null;
}
