using SgLang.Core;

namespace SgLang.Engine;

/// <summary>One sampled token on its way from the engine thread to its stream.</summary>
/// <param name="Logprob">NaN when not asked for.</param>
/// <param name="Top">The largest alternatives in falling order; null when not asked for.</param>
/// <param name="Chosen">The ids that the request named, in its order; null when it named none.</param>
internal readonly record struct TokenRecord(int Id, float Logprob = float.NaN, TokenLogprob[]? Top = null, TokenLogprob[]? Chosen = null);

/// <summary>The scored part of a prompt; lists are aligned, the first entry's log-probability is null.</summary>
internal sealed record InputLogprobs(
    IReadOnlyList<TokenLogprob> Tokens, IReadOnlyList<IReadOnlyList<TokenLogprob>?> Top, IReadOnlyList<IReadOnlyList<TokenLogprob>?> Chosen);
