using SgLang.Core;
using SgLang.Models;
using SgLang.Runtime;

namespace SgLang.Engine;

/// <summary>What a rank is loaded with: its place, its device, and how it meets the others.</summary>
internal sealed record RankSetup
{
    public RankPlace Place { get; init; } = RankPlace.Single;
    public required DeviceKind Kind { get; init; }
    public required int Ordinal { get; init; }

    /// <summary>CPU: worker threads of this rank; 0 means one per physical core.</summary>
    public required int NumThreads { get; init; }

    /// <summary>The device before any rank loaded anything.</summary>
    public required DeviceInfo Device { get; init; }

    /// <summary>Plans the memory of all ranks together: every rank keeps the same number of pages. May wait for the others.</summary>
    public Func<MemoryPlanInput, MemoryPlan> ShareMemory { get; init; } = MemoryPlan.Make;

    /// <summary>Null but where replicas share ranks.</summary>
    public StepRounds? Rounds { get; init; }

    /// <summary>Called on the rank's thread.</summary>
    public Func<DeviceContext, RankCommunicators?> Connect { get; init; } = static _ => null;

    public static RankSetup Single(EngineOptions options)
    {
        RankDevices devices = RankDevices.Assign(options, 1);
        return new RankSetup { Kind = devices.Kind, Ordinal = devices.Ordinals[0], NumThreads = options.NumThreads, Device = DeviceContext.GetInfo(devices.Kind, devices.Ordinals[0]) };
    }
}
