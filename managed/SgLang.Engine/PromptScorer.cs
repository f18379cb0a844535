using SgLang.Core;
using SgLang.Models;
using SgLang.Runtime;
using SgLang.Scheduling;

namespace SgLang.Engine;

/// <summary>
/// Log-probabilities of known next tokens: the part of a prompt that its client asked to have scored. Waits for the device, block by block;
/// such a step is not overlapped with the next.
/// </summary>
internal sealed class PromptScorer : IDisposable
{
    /// <summary>Prompt positions scored at once, to bound the memory of their logits.</summary>
    public const int RowsPerBlock = 128;

    private readonly DeviceContext _device;
    private readonly IModel _model;
    private readonly ForwardContext _forward;
    private readonly StepInputs _inputs;
    private readonly DeviceBuffer _logprobs;
    private readonly PinnedBuffer _logprobsOnHost;
    private TopScores? _top;
    private ChosenScores? _chosen;

    public PromptScorer(DeviceContext device, IModel model, ForwardContext forward)
    {
        _device = device;
        _model = model;
        _forward = forward;
        _inputs = new StepInputs(device, 1, RowsPerBlock, RowsPerBlock);
        _logprobs = new DeviceBuffer(device, RowsPerBlock * sizeof(float), "log-probabilities of prompts");
        _logprobsOnHost = new PinnedBuffer(device, RowsPerBlock * sizeof(float));
    }

    /// <summary>Scores the window of every request that has one.</summary>
    /// <param name="hidden">[tokens, hidden] of the step.</param>
    public void Score(StepPlan plan, in Tensor hidden, StepOutcome outcome)
    {
        for (int r = 0; r < plan.NumRequests; r++)
        {
            if (plan.Requests[r].LogprobOptions is not { } wanted) continue;
            int first = plan.QueryStart[r] + plan.InputLogprobStart[r];
            int end = plan.QueryStart[r + 1];
            // The last position's target may be the token that this step samples.
            while (end > first && plan.LogprobTargets[end - 1] < 0) end--;
            if (end <= first) continue;
            TokenLogprob[] scores = new TokenLogprob[end - first];
            TokenLogprob[][]? top = wanted.TopCount > 0 ? new TokenLogprob[end - first][] : null;
            TokenLogprob[][]? chosen = wanted.TokenIds.Length > 0 ? new TokenLogprob[end - first][] : null;
            for (int start = first; start < end; start += RowsPerBlock)
            {
                int count = Math.Min(RowsPerBlock, end - start);
                ScoreBlock(plan.LogprobTargets.Slice(start, count), start, hidden, wanted, (float)plan.Requests[r].SamplingParams.Temperature,
                    scores.AsSpan(start - first, count), top.AsSpan(start - first, top is null ? 0 : count), chosen.AsSpan(start - first, chosen is null ? 0 : count));
            }
            outcome.PromptScores.Add(new PromptScores(r, scores, top, chosen));
        }
    }

    public void Dispose()
    {
        _chosen?.Dispose();
        _top?.Dispose();
        _logprobsOnHost.Dispose();
        _logprobs.Dispose();
        _inputs.Dispose();
    }

    private void ScoreBlock(ReadOnlySpan<int> targets, int firstRow, in Tensor hidden, LogprobOptions options, float temperature, Span<TokenLogprob> scores,
        Span<TokenLogprob[]> top, Span<TokenLogprob[]> chosen)
    {
        int topCount = options.TopCount;
        using DeviceArena.Scope block = _forward.Arena.EnterScope();
        int count = targets.Length;
        _inputs.Begin(0);
        Span<int> rows = _inputs.Add(count, out Tensor rowsOnDevice);
        for (int i = 0; i < count; i++) rows[i] = firstRow + i;
        Tensor wanted = _inputs.Add(targets);
        _inputs.Send();
        Tensor logits = _model.Logits(_forward, hidden, rowsOnDevice);
        Tensor logprobs = _logprobs.AsTensor(DType.F32, count);
        Span<float> temperatures = stackalloc float[RowsPerBlock];
        temperatures = temperatures[..count];
        temperatures.Fill(temperature < SamplingParams.GreedyTemperature ? 1 : temperature);
        if (topCount > 0)
        {
            _top = TopScores.Ensure(_top, _device, RowsPerBlock, topCount);
            _top.Compute(0, logits, logprobs, wanted, temperatures);
        }
        else
        {
            Ops.Logprobs(_device, logprobs, default, default, logits, wanted, temperatures);
        }
        if (chosen.Length > 0)
        {
            _chosen = ChosenScores.Ensure(_chosen, _device, RowsPerBlock * options.TokenIds.Length);
            for (int i = 0; i < count; i++) _chosen.Compute(logits.Rows(i, 1), options.TokenIds, temperatures[i]);
        }
        _device.Copy(_logprobsOnHost.AsTensor(DType.F32, count), logprobs);
        _device.Synchronize();
        Span<float> values = _logprobsOnHost.AsSpan<float>(count);
        for (int i = 0; i < count; i++)
        {
            scores[i] = new TokenLogprob(values[i], targets[i]);
            if (topCount > 0) top[i] = _top!.Row(i, topCount);
            if (chosen.Length > 0) chosen[i] = _chosen!.Row(i * options.TokenIds.Length, options.TokenIds);
        }
    }
}
