using SgLang.Interop;
using SgLang.Runtime;
using SgLang.Scheduling;

namespace SgLang.Engine;

/// <summary>
/// What the device leaves of a step on the host. Queued on the rank's thread; <see cref="Wait"/> and what is read after it may be called by
/// another thread, since they touch an event and page-locked memory alone.
/// </summary>
internal sealed class StepResult(DeviceContext device, int maxSamples) : IDisposable
{
    private readonly PinnedBuffer _ids = new(device, (long)maxSamples * sizeof(int));
    private readonly PinnedBuffer _logprobs = new(device, (long)maxSamples * sizeof(float));
    private readonly DeviceEvent _isDone = new(device);
    private TopScores? _top;
    private PromptEmbeddings? _embeddings;
    private ChosenScores? _chosen;
    private bool _hasLogprobs;

    /// <summary>Where the largest scores of a step with so many samples go; null when none are wanted.</summary>
    public TopScores? Top(int numSamples, int k)
    {
        if (k == 0) return null;
        _top = TopScores.Ensure(_top, device, numSamples, k);
        return _top;
    }

    /// <summary>Where the embeddings of a step that ends so many embedded prompts go.</summary>
    public PromptEmbeddings Embeddings(int count, DType dtype, int width) => _embeddings = PromptEmbeddings.Ensure(_embeddings, device, count, dtype, width);

    /// <summary>Where the scores of ids that requests named go, in the order of the samples.</summary>
    /// <param name="count">Of the whole step.</param>
    /// <param name="isFirst">Whether the step's scores begin.</param>
    public ChosenScores Chosen(int count, bool isFirst) => isFirst ? _chosen = ChosenScores.Ensure(_chosen, device, count) : _chosen!;

    /// <summary>
    /// I32 [count]: where the device writes the ids of a run of the step's samples. Page-locked memory, which it reaches over the bus: a few
    /// bytes a row cost it less than a copy costs the host that queues it. Likewise <see cref="LogprobsOnDevice"/>, F32.
    /// </summary>
    public Tensor IdsOnDevice(int first, int count) => _ids.View((long)first * sizeof(int), DType.I32, count);

    public Tensor LogprobsOnDevice(int first, int count) => _logprobs.View((long)first * sizeof(float), DType.F32, count);

    /// <summary>All of the step is queued.</summary>
    /// <param name="hasLogprobs">Whether <see cref="LogprobsOnDevice"/> was written.</param>
    public void QueueEnd(bool hasLogprobs)
    {
        _hasLogprobs = hasLogprobs;
        _isDone.Record();
    }

    /// <summary>Waits for the step that was queued last; any error of its work comes out here.</summary>
    public void Wait() => _isDone.Synchronize();

    public ReadOnlySpan<int> Ids(int count) => _ids.AsSpan<int>(count);

    /// <summary>Fills an outcome from a step that has been waited for.</summary>
    public void Read(StepPlan plan, StepOutcome outcome)
    {
        for (int i = 0, row = 0; row < plan.NumEmbeddings; i++)
            if (plan.EndsEmbedding(i)) outcome.Embeddings.Add(new PromptEmbedding(i, _embeddings!.Row(row++)));
        int samples = plan.NumSamples;
        if (samples == 0) return;
        _ids.AsSpan<int>(samples).CopyTo(outcome.Ids(plan));
        // No request is looked at in vain: there may be hundreds, and none of them in the cache.
        if (!_hasLogprobs) return;
        ReadOnlySpan<int> sampled = plan.SampleIndex;
        int numChosen = 0;
        for (int i = 0; i < samples; i++)
        {
            if (plan.Requests[sampled[i]].LogprobOptions is not { } wanted) continue;
            outcome.Logprobs(plan)[i] = _logprobs.AsSpan<float>(samples)[i];
            if (wanted.TopCount > 0) outcome.SetTop(i, _top!.Row(i, wanted.TopCount));
            if (wanted.TokenIds.Length == 0) continue;
            outcome.SetChosen(i, _chosen!.Row(numChosen, wanted.TokenIds));
            numChosen += wanted.TokenIds.Length;
        }
    }

    public void Dispose()
    {
        _embeddings?.Dispose();
        _chosen?.Dispose();
        _top?.Dispose();
        _isDone.Dispose();
        _logprobs.Dispose();
        _ids.Dispose();
    }
}
