using SgLang.Core;

namespace SgLang.Engine;

/// <summary>The other nodes of a world, as the ranks of this one need them. Thread safe.</summary>
internal interface INodes
{
    NodeLayout Layout { get; }

    /// <summary>Of this node; 0 has the schedulers.</summary>
    int Rank { get; }

    /// <summary>Before ranks are loaded: where stage tensors and aborts of a replica, which has ranks here or is scheduled here, go.</summary>
    void Attach(int replica, ReplicaGroups groups);

    /// <summary>The smallest plan of all nodes; waits for theirs. Throws <see cref="EngineStartException"/> when one cannot load.</summary>
    MemoryPlan Agree(MemoryPlan own);

    /// <summary>On node 0: waits until the ranks of the other nodes have loaded. Throws likewise.</summary>
    void WaitUntilLoaded();

    /// <summary>On node 0: the ranks of a replica on another node.</summary>
    IRankChannel ChannelTo(int node, int replica, int maxSamples);

    /// <summary>To a stage of another node. Never waits.</summary>
    void Send(in StageMessage message);

    /// <summary>On node 0: a step of a replica failed, so its ranks on other nodes must not wait for it. Elsewhere the step's result says so.</summary>
    void Abort(int replica, string reason);

    /// <summary>On node 0: all steps of a replica have ended after an abort.</summary>
    void Reset(int replica);

    /// <summary>On node 0: the windows of the other nodes' ranks.</summary>
    INodeProfiles? Profiles => null;
}
