namespace SgLang.Engine;

/// <summary>
/// Where ranks meet while they load: each says what it needs of its device, and all get the one plan. A rank that fails frees the others.
/// Called from the ranks' threads.
/// </summary>
/// <param name="ordinals">Device of each rank; those of one share its memory.</param>
/// <param name="agree">Makes this node's plan that of all nodes; may wait for theirs.</param>
internal sealed class LoadRendezvous(int[] ordinals, Func<MemoryPlan, MemoryPlan>? agree = null)
{
    private readonly MemoryPlanInput?[] _inputs = new MemoryPlanInput?[ordinals.Length];
    private readonly TaskCompletionSource<MemoryPlan> _plan = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _numArrived;

    public MemoryPlan Meet(int rank, MemoryPlanInput input)
    {
        _inputs[rank] = input;
        if (Interlocked.Increment(ref _numArrived) == ordinals.Length)
        {
            try
            {
                MemoryPlan plan = Plan();
                _plan.TrySetResult(agree?.Invoke(plan) ?? plan);
            }
            catch (Exception error)
            {
                _plan.TrySetException(error);
            }
        }
        return _plan.Task.GetAwaiter().GetResult();
    }

    public void Fail(Exception error) => _plan.TrySetException(new LoadCancelledException(error));

    /// <summary>The smallest plan of any device: all ranks of a replica have the same pages, and all replicas are alike.</summary>
    private MemoryPlan Plan()
    {
        MemoryPlan? smallest = null;
        foreach (int ordinal in ordinals.Distinct())
        {
            MemoryPlanInput sum = MemoryPlanInput.Sum([.. _inputs.Where((_, rank) => ordinals[rank] == ordinal).Select(input => input!)]);
            MemoryPlan plan = MemoryPlan.Make(sum);
            if (smallest is null || plan.NumPages < smallest.NumPages) smallest = plan;
        }
        return smallest!;
    }
}

/// <summary>This rank could load; another could not.</summary>
internal sealed class LoadCancelledException(Exception cause) : Exception($"another rank failed to load: {cause.Message}", cause);
