namespace SgLang.Scheduling;

/// <summary>
/// Makes the plans of a scheduler in another process again. Its requests are copies, made known when a step first uses their row; only what
/// ranks look at is kept up: parameters, prompt length, and the output up to then.
/// </summary>
/// <param name="maxSteps">Steps that can be under way while another is read.</param>
public sealed class StepPlanMirror(int maxSteps = 2)
{
    private readonly Dictionary<int, Request> _ofRow = [];
    private readonly StepPlan[] _plans = [.. Enumerable.Range(0, maxSteps + 1).Select(_ => new StepPlan(16, 64))];
    private int _next;

    /// <summary>From now on a row is this request's.</summary>
    /// <param name="request">Made anew for every introduction, so that nothing kept of the row's last request is taken for its.</param>
    /// <param name="output">Its tokens so far.</param>
    public void Introduce(int row, Request request, ReadOnlySpan<int> output, int minNewTokens, int numRetractions)
    {
        request.Row = row;
        request.MinNewTokens = minNewTokens;
        request.NumRetractions = numRetractions;
        foreach (int id in output) request.TokenBuffer.Append(id);
        _ofRow[row] = request;
    }

    /// <summary>Valid while it is under way.</summary>
    /// <exception cref="InvalidDataException">The bytes are no plan, or it has a row that nobody was introduced for.</exception>
    public StepPlan Read(ReadOnlySpan<byte> bytes)
    {
        StepPlan plan = _plans[_next++ % _plans.Length];
        plan.ReadFrom(bytes);
        for (int i = 0; i < plan.NumRequests; i++)
            plan.SetRequest(i, _ofRow.TryGetValue(plan.Rows[i], out Request? request) ? request : throw new InvalidDataException($"step {plan.StepId} has row {plan.Rows[i]}, which is nobody's"));
        return plan;
    }
}
