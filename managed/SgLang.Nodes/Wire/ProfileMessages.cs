using SgLang.Engine;
using SgLang.Profiling;

namespace SgLang.Nodes.Wire;

/// <summary>Windows as they travel: only what the ranks of another node need; where files go and how they are joined is the head's.</summary>
internal static class ProfileMessages
{
    public static ProfileBegin Of(long window, ProfileOptions options)
    {
        ProfileBegin begin = new()
        {
            Window = window,
            Id = options.Id,
            Prefix = options.Prefix ?? "",
            FileName = options.FileName ?? "",
            UsesLowercaseStages = options.UsesLowercaseStages,
            RecordShapes = options.RecordShapes,
            WithStack = options.WithStack,
            DetailedAnnotations = options.DetailedAnnotations,
        };
        begin.Stages.AddRange(options.Stages.Select(stage => (int)stage));
        begin.Activities.AddRange(options.Activities);
        begin.Notes.AddRange(options.Notes);
        return begin;
    }

    public static ProfileOptions Of(ProfileBegin begin) => new()
    {
        OutputDirectory = "",
        Id = begin.Id,
        Prefix = begin.Prefix.Length > 0 ? begin.Prefix : null,
        FileName = begin.FileName.Length > 0 ? begin.FileName : null,
        Stages = [.. begin.Stages.Select(stage => (TraceStage)stage)],
        UsesLowercaseStages = begin.UsesLowercaseStages,
        RecordShapes = begin.RecordShapes,
        WithStack = begin.WithStack,
        DetailedAnnotations = begin.DetailedAnnotations,
        Activities = [.. begin.Activities],
        Notes = [.. begin.Notes],
    };

    public static ProfileEnd Of(long window, ProfileResult result) => new()
    {
        Window = window, IsWanted = true, FirstStep = result.FirstStep, LastStep = result.LastStep, NumSteps = result.NumSteps,
    };

    /// <summary>Its id and directory are those of the window that the node has begun.</summary>
    public static ProfileResult Of(ProfileEnd end) => new()
    {
        Id = "", OutputDirectory = "", FirstStep = end.FirstStep, LastStep = end.LastStep, NumSteps = end.NumSteps,
    };
}
