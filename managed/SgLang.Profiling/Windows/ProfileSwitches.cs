namespace SgLang.Profiling;

/// <summary>Master switches of what windows record, in the environment of whoever records; on unless set to something else than true or 1.</summary>
public static class ProfileSwitches
{
    public const string StackVariable = "SGLANG_PROFILE_WITH_STACK";
    public const string ShapesVariable = "SGLANG_PROFILE_RECORD_SHAPES";

    public static bool AllowsStacks(Func<string, string?> variable) => IsOn(variable(StackVariable));

    public static bool AllowsShapes(Func<string, string?> variable) => IsOn(variable(ShapesVariable));

    private static bool IsOn(string? value) => string.IsNullOrEmpty(value) || value.ToLowerInvariant() is "true" or "1";
}
