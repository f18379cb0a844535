using SgLang.Interop;

namespace SgLang.Engine;

/// <summary>A device or a node is lost: no later step can succeed.</summary>
internal sealed class FatalDeviceException(string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>What a step's error is to the engine, wherever in the step it came from.</summary>
    public static Exception Of(Exception error) =>
        error is SglException { Status: SglStatus.CudaFatal } ? new FatalDeviceException($"The device is lost: {error.Message}", error) : error;
}
