using Microsoft.Extensions.Logging;
using SgLang.Core;

namespace SgLang.Engine;

internal static class EngineLoader
{
    public static EngineParts Load(EngineOptions options, Action<string, long, long>? progress, ILogger logger) => throw new NotImplementedException();
}
