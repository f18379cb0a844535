using SgLang.Core;

namespace SgLang.Scheduling;

/// <summary>What a request's owner must be told, in order.</summary>
/// <param name="TokenId">The new token; -1 for a finish that brings none.</param>
/// <param name="Finish">Set in the last event of a request; each accepted request gets exactly one.</param>
public readonly record struct SchedulerEvent(Request Request, int TokenId, FinishReason? Finish);
