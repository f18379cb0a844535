using SgLang.Core;
using SgLang.Runtime;
using SgLang.Scheduling;

namespace SgLang.Engine;

/// <summary>
/// What the draws of a step need of its requests. In steady decode the requests of one step are those of the step before, and only their
/// positions differ: then nothing of a request is read, which the engine's thread has written since. Lives on a rank's thread; allocates nothing.
/// </summary>
internal sealed class SampledBatch(int maxSamples)
{
    private const float LeastPositive = 1e-30f;

    private readonly Request?[] _requests = new Request?[maxSamples];
    private readonly SamplingRow[] _rows = new SamplingRow[maxSamples];
    private readonly float[] _temperatures = new float[maxSamples];
    private readonly (int PromptLength, int FirstPlain)[] _facts = new (int, int)[maxSamples];
    private int _numSamples;

    /// <summary>What some request of the step asks for besides its token.</summary>
    public WantedScores Wanted { get; private set; }

    /// <summary>Takes over the requests that a plan samples, with their positions.</summary>
    public void Begin(StepPlan plan)
    {
        ReadOnlySpan<int> sampled = plan.SampleIndex, kvLength = plan.KvLength;
        ReadOnlySpan<Request> requests = plan.Requests;
        bool isSame = sampled.Length == _numSamples;
        for (int i = 0; i < sampled.Length; i++)
        {
            Request request = requests[sampled[i]];
            if (request != _requests[i])
            {
                isSame = false;
                Read(i, request);
                _requests[i] = request;
            }
            _rows[i].Position = kvLength[sampled[i]] - _facts[i].PromptLength;
        }
        if (isSame) return;
        // Requests that have ended are not kept alive.
        if (sampled.Length < _numSamples) Array.Clear(_requests, sampled.Length, _numSamples - sampled.Length);
        _numSamples = sampled.Length;
        WantedScores wanted = default;
        foreach (Request? request in _requests.AsSpan(0, _numSamples))
            if (request!.LogprobOptions is { } options) wanted = new WantedScores(true, Math.Max(wanted.TopCount, options.TopCount), wanted.ChosenCount + options.TokenIds.Length);
        Wanted = wanted;
    }

    /// <summary>Parameters of a run of the plan's samples.</summary>
    public ReadOnlySpan<SamplingRow> Rows(int first, int count) => _rows.AsSpan(first, count);

    /// <summary>Temperatures of a run of the plan's samples, for log-probabilities; 0 counts as 1.</summary>
    public ReadOnlySpan<float> Temperatures(int first, int count) => _temperatures.AsSpan(first, count);

    /// <summary>Tokens that the request of sample <paramref name="i"/> has generated before this step.</summary>
    public int Position(int i) => (int)_rows[i].Position;

    /// <summary>Whether the logits of sample <paramref name="i"/> are drawn from as they are: no penalty, bias, grammar or forbidden stop.</summary>
    public bool IsPlain(int i) => _rows[i].Position >= _facts[i].FirstPlain;

    /// <summary>Whether a run of the plan's samples are the largest of logits that nothing edits.</summary>
    public bool IsGreedyAndPlain(int first, int count)
    {
        for (int i = first; i < first + count; i++)
            if (_temperatures[i] != 0 || !IsPlain(i)) return false;
        return true;
    }

    public static bool HasPenalty(SamplingParams parameters) =>
        parameters.FrequencyPenalty != 0 || parameters.PresencePenalty != 0 || parameters.RepetitionPenalty != 1;

    private void Read(int i, Request request)
    {
        SamplingParams parameters = request.SamplingParams;
        ISampledRequest owner = (ISampledRequest)request.Owner!;
        ref SamplingRow row = ref _rows[i];
        // A double that is legal may be 0 or infinity as a float, which the sampler refuses for the whole step.
        row.Temperature = parameters.IsGreedy ? 0 : Math.Min((float)parameters.Temperature, float.MaxValue);
        row.TopP = Math.Max((float)parameters.TopP, LeastPositive);
        row.MinP = (float)parameters.MinP;
        row.TopK = parameters.TopK < 0 ? 0 : parameters.TopK;
        row.FrequencyPenalty = (float)parameters.FrequencyPenalty;
        row.PresencePenalty = (float)parameters.PresencePenalty;
        row.RepetitionPenalty = Math.Max((float)parameters.RepetitionPenalty, LeastPositive);
        row.Seeded = parameters.Seed is not null;
        row.Seed = owner.Seed;
        _temperatures[i] = row.Temperature;
        bool isEdited = HasPenalty(parameters) || parameters.LogitBias is not null || owner.Grammar is not null;
        _facts[i] = (request.PromptLength, isEdited ? int.MaxValue : request.MinNewTokens);
    }
}
