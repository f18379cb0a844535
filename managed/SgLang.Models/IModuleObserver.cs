using SgLang.Runtime;

namespace SgLang.Models;

/// <summary>
/// Sees every module's output while an eager forward pass is being queued: for numerics and for timing on devices that work synchronously. The
/// tensor is in the arena and is overwritten later; on an asynchronous device it must be synchronised before it is read.
/// </summary>
public interface IModuleObserver
{
    /// <param name="path">One of <see cref="IModel.ModulePaths"/>.</param>
    void Completed(string path, in Tensor output);
}
