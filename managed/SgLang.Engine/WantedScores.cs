namespace SgLang.Engine;

/// <summary>What some request of a step asks for besides its token.</summary>
/// <param name="TopCount">The most alternatives that a request wants.</param>
/// <param name="ChosenCount">Ids that requests named, over all of them.</param>
internal readonly record struct WantedScores(bool Logprobs, int TopCount, int ChosenCount);
