using SgLang.Profiling;

namespace SgLang.Engine;

/// <summary>Node 0's way to the windows of other nodes' ranks.</summary>
internal interface INodeProfiles
{
    /// <summary>The ranks of the other nodes record the steps from now on that say so. Never waits.</summary>
    /// <param name="window">Names it until it is collected.</param>
    void Begin(long window, ProfileOptions options);

    /// <summary>Ends a window whose files nobody wants. Never waits.</summary>
    void Drop(long window);

    /// <summary>Ends a window and waits for the files of all other nodes, for each at most so long as it is heard.</summary>
    /// <param name="result">Tells the window's steps.</param>
    /// <param name="directory">Where the files go, each under its name once it is whole.</param>
    NodeProfileFiles[] Collect(long window, ProfileResult result, string directory);
}
